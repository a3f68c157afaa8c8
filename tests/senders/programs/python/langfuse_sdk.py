# SPDX-License-Identifier: Apache-2.0
"""Traces a turn with the Langfuse SDK, which sends to where LANGFUSE_BASE_URL and its export path say."""

from datetime import UTC, datetime, timedelta

from langfuse import get_client


def main() -> None:
    langfuse = get_client()
    with langfuse.start_as_current_observation(name="turn", metadata={"channel": "voice"}):
        with langfuse.start_as_current_observation(
            name="answer",
            as_type="generation",
            model="gpt-4o",
            model_parameters={"temperature": 0.2},
            input=[{"role": "user", "content": "What is the weather in Köln?"}],
        ) as generation:
            generation.update(
                completion_start_time=datetime.now(UTC) + timedelta(milliseconds=250),
                output="Let me look.",
                usage_details={"input": 120, "output": 30, "total": 150},
            )
        with langfuse.start_as_current_observation(
            name="get_weather", as_type="tool", input={"city": "Köln", "days": 2}
        ) as tool:
            tool.update(output="sunny, 21 °C")
    langfuse.flush()
    langfuse.shutdown()


if __name__ == "__main__":
    main()
