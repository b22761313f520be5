"""What an episode is worth, whichever framework asks."""

from types import ModuleType

import pytest

from grader.environments.episode import rewards


def test_without_a_verdict_there_is_no_reward_and_not_a_low_one(samples: ModuleType) -> None:
    assert rewards(samples.half_done()) is None


@pytest.mark.parametrize(("name", "reward"), [("starter", 0.0), ("perfect", 1.0)])
def test_each_item_and_all_together_are_from_0_to_1(name: str, reward: float, samples: ModuleType) -> None:
    result = getattr(samples, name)()

    assert rewards(result) == {"reward": reward, "solved": reward} | {item.id: reward for item in result.items}
