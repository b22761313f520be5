"""What a learner, or an agent, is handed of an exercise."""

from grader.exercise import Exercise


def starter_files(exercise: Exercise) -> dict[str, str]:
    """README.md, model.py, train.py and test_visible.py of the starter: text by name, and nothing that is hidden."""
    if not exercise.on_disk:
        from grader.injection.folder import starter_contents

        return starter_contents(exercise)
    paths = sorted(path for path in exercise.starter_directory.iterdir() if path.is_file())
    return {path.name: path.read_bytes().decode() for path in paths if not path.name.startswith(".")}
