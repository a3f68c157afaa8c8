# SPDX-License-Identifier: Apache-2.0
"""What a call in a LiveKit room is made of. LiveKit is imported when a call is made, not before.

placing   where received frames lie on the recording's clock
speaking  the user's voice: frames on a steady schedule, silence between turns
hearing   whether the agent speaks, and when its turn is over
words     the agent's transcripts
joining   LiveKit, imported late, and the token
call      the room: all of the above wired to LiveKit's events
script    a conversation's turns, one after the other
devices   the microphone and the loudspeaker of a live session
runtime   what both runtimes share
"""
