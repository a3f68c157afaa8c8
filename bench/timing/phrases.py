# SPDX-License-Identifier: Apache-2.0
"""What flite says in each half. The halves share no sentence."""

from __future__ import annotations

SENTENCES = {
    "tuning": (
        "I would like to book a table for two",
        "Yes please",
        "What time do you close tonight",
        "That sounds good to me",
        "Can you spell that for me",
        "My number is five five five one two",
        "No thank you",
        "Let me check that for you",
        "The next train leaves at half past six",
        "Could you repeat the address",
        "Your order is on its way",
        "I am sorry to hear that",
        "Which size would you like",
        "It should be with you by Thursday",
        "Hold on a second",
        "Thanks for calling",
        "I called last week about the broken heating and nobody has come back to me since",
        "If you go to the second floor and turn left you will find us next to the library",
        "We have two rooms left for that night and both of them look over the garden",
        "The invoice that you sent me in January was for somebody who lives next door",
        "You may bring one small bag on board and anything larger has to be checked in",
    ),
    "judging": (
        "My package has not arrived yet",
        "Sure",
        "When was it sent",
        "Please give me the last four digits",
        "I moved house in the middle of March",
        "Is there anything else I can help with",
        "Not today",
        "We open again on Monday at eight",
        "You can pay by card or by cheque",
        "How long will the repair take",
        "About twenty minutes",
        "The doctor can see you this afternoon",
        "I need to change my flight",
        "There is a fee for that",
        "Exactly",
        "Have a pleasant evening",
        "I ordered the blue one with the long sleeves and what came is green and far too small",
        "The office is closed on public holidays but you can always leave us a message",
        "My mother used to have an account with you and I would like to take it over",
        "We will send somebody on Wednesday morning between nine o'clock and eleven",
        "It makes a clicking noise when I switch it on and then nothing else happens",
    ),
}
BACKCHANNELS = ("mm hmm", "uh huh", "mm", "yeah", "okay", "right", "I see")
