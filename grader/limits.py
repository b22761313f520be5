"""How long things may take and how large they may be, and what is meant where nothing is said: each written once.

A name ends in its unit, or says what is counted. A factor multiplies the time-out of one question. Widths of what is
shown stand beside what shows it, and the limits that the kernel enforces on a worker in ``sandbox/lock``.
"""

import sys
from typing import Final, Literal

# What is meant by default, and what may be asked for.
DEFAULT_ISOLATION: Final[Literal["strict", "process"]] = "strict" if sys.platform == "linux" else "process"
QUESTION_SECONDS: Final = 10.0  # that a submission may take for one question
QUESTION_MAX_SECONDS: Final = 3600.0  # that may be asked for
RECHECK_QUESTION_MAX_SECONDS: Final = 60.0  # that a result to check may ask for; a person may ask for more
SEED_BOUND: Final = 1 << 53  # seeds are below it, and every JSON reader can hold them

# One question.
TRUSTED_QUESTION_SECONDS: Final = 60.0  # for a question to the reference: it answers, if the machine lets it
MEASURING_QUESTION_SECONDS: Final = 30.0  # for a question to a bug that is measured, or whose exercise is proven
IMPORT_TIMEOUT_FACTOR: Final = 2  # for an import: what comes of it holds for a whole module
RUN_TIMEOUT_FACTOR: Final = 3  # for a whole run: some hundreds of steps
UNANSWERED_MAX_QUESTIONS: Final = 2  # questions of a kind that got no answer in time, before none is asked any more

# One grade.
BUDGET_TIMEOUT_FACTOR: Final = 30  # at least of a second: minutes, of which most submissions need seconds
SEARCH_SECONDS: Final = 3600.0  # by the clock for one check; what ends it before is the package's own time for all
SILENCE_SECONDS: Final = 3.0  # by the clock without a first answer, before it is said that one is waited for
SHRINK_MAX_CASES: Final = 60  # cases asked while shrinking; the smallest found by then is reported
PARDONED_DEATHS: Final = 3  # deaths a grade that may be the machine's doing
REST_POLL_SECONDS: Final = 0.02  # between two looks whether the others have come to rest
KEPT_ANSWERS_MAX_BYTES: Final = 128 << 20  # of answers of the reference, kept from grade to grade

# A submission's own tests.
OWN_TESTS_TIMEOUT_FACTOR: Final = 3.0  # that the tests may take on the package
OWN_TESTS_ALL_TIMEOUT_FACTOR: Final = 9.0  # that all runs after the first may take together, for each thread
OWN_TESTS_SLACK_SECONDS: Final = 3.0  # that a run on a mutant may take beyond three times the first
FIND_MUTANTS_SECONDS: Final = 30.0  # for the engine to read a package
DRAW_MUTANTS_TIMEOUT_FACTOR: Final = 12  # that answers may take while mutants are drawn; it takes seconds
REWORD_SECONDS: Final = 60.0  # for all the words of a package's mutants; a second or two is what it takes
# That a package may be longer in other words: it travels in one header, with its tests:
REWORD_GROWTH_BYTES: Final = 64 << 10

# Watching a directory.
WATCH_POLL_SECONDS: Final = 0.05  # between two looks at the directory
WATCH_UNREADABLE_POLLS: Final = 20  # looks at sources that cannot be read, before that is said

# The history of a workspace, which may be a stranger's.
HISTORY_MAX_BYTES: Final = 4 << 20
HISTORY_LINE_MAX_BYTES: Final = 256 << 10
HISTORY_MAX_LINES: Final = 20_000  # that are read
TIMELINE_MAX_EVENTS: Final = 1_000  # that a result keeps, the newest
TIMELINE_MAX_ITEMS: Final = 64
TIMELINE_DIFFS_MAX_CHARACTERS: Final = 200_000  # of all of them together

# The live page.
LIVE_START_SECONDS: Final = 20.0  # for its server to start
LIVE_POLL_SECONDS: Final = 0.5  # between two looks at what may change without a save
LIVE_SILENCE_SECONDS: Final = 15.0  # between two words to a reader: one that is gone shows by that

# Jobs, of a cohort or of exercises in bulk.
JOB_END_SECONDS: Final = 30.0  # for a job that has nothing to do to end its launcher
JOB_TRIES: Final = 2  # at one task, before it is recorded as failed
MESSAGE_MAX_BYTES: Final = 1 << 26  # of one message to or from a job

# A cohort: its jobs, and a cluster.
# By the clock for a submission, beside what all its answers may spend, JOB_BUDGET_FACTOR times:
JOB_SECONDS: Final = 600.0
JOB_BUDGET_FACTOR: Final = 20  # where a worker gets a twentieth of a core
JOB_IDLE_SECONDS: Final = 120.0  # without anything to do, after which a job is ended: its cohort may have been killed
JOB_MAX_NUMBER: Final = 1024  # of jobs at a time that may be asked for
JOB_VERSIONS_SECONDS: Final = 120  # for a Python to start, import a little and end
CLUSTER_CONNECT_SECONDS: Final = 20.0  # to reach the scheduler
CLUSTER_WORKERS_SECONDS: Final = 300.0  # to wait for a worker where there is none
CLUSTER_LEAVE_SECONDS: Final = 10.0  # to take leave of the scheduler
CLUSTER_NEWS_SECONDS: Final = 10.0  # without news, after which it is seen whether there are any workers
CLUSTER_FETCH_SECONDS: Final = 60.0  # for a result to arrive; one that went down with its worker is made again
CLUSTER_END_SECONDS: Final = 60.0  # for the workers to end what they are doing

# Exercises in bulk.
BULK_SEED_SECONDS: Final = 3600.0  # by the clock for one seed: a machine with much else to do takes minutes
BULK_JOB_MAX_BYTES: Final = 1 << 30  # that a job holds, before a fresh one goes on in its place

# Lines of a batch.
BATCH_LINE_MAX_BYTES: Final = 8 << 20  # of one line: the largest submission, each character of it escaped

# Agents in a framework.
AGENT_GRADES_MAX_AT_ONCE: Final = 2  # grades side by side unless said otherwise; each keeps some two cores busy
AGENT_MAX_SESSIONS: Final = 64  # clients of an OpenEnv server
AGENT_SANDBOX_SECONDS: Final = 60.0  # for the sandbox to answer
AGENT_MAX_MESSAGES: Final = 200  # until an agent that never submits is stopped
AGENT_MAX_FILES: Final = 65  # of a submission, one more than are ever graded
AGENT_MAX_BYTES: Final = 4 << 20  # of all of them, more than are ever graded

# A submission, read.
SUBMISSION_MAX_ENTRIES: Final = 1024  # names in the directory
SUBMISSION_MAX_FILES: Final = 64  # Python files that are read
SUBMISSION_FILE_MAX_BYTES: Final = 512 * 1024  # of one file
# Of all files together, as they travel: one header of the wire format holds them:
SUBMISSION_MAX_BYTES: Final = 900 * 1024
DIFF_FILE_MAX_LINES: Final = 4_000  # of a file that are compared: difflib's time grows faster than what it is given
DIFF_FILE_MAX_CHARACTERS: Final = 40_000  # of one file's diff
DIFF_MAX_CHARACTERS: Final = 120_000  # of all of them
CERTIFICATE_MAX_BYTES: Final = 66 << 20  # of a certificate: the largest result, and the largest submission
RESULT_MAX_BYTES: Final = 64 << 20  # of a result file that is read back
WORKSPACE_RECORD_MAX_BYTES: Final = 1 << 20  # of .grader.json
STARTER_FILE_MAX_BYTES: Final = 1 << 20  # of one file beside the code

# What is handed in: archives, and folders of them.
ARCHIVE_MAX_MEMBERS: Final = 50_000  # files and folders in one archive
ARCHIVE_READ_MAX_BYTES: Final = 4 << 20  # in one read, such as that of a zip's table of contents
NESTED_ARCHIVE_MAX_BYTES: Final = 64 << 20  # of an archive in an archive, which is held in memory
ARCHIVE_MAX_RATIO: Final = 100  # unpacked to packed, of what is itself packed
ARCHIVE_MAX_FOLDERS_DEEP: Final = 16  # folders in folders
TARBALL_MAX_BYTES: Final = 1 << 30  # unpacked
TARBALL_MAX_RATIO: Final = 200  # unpacked to packed, beyond what any archive may have
TARBALL_ALLOWED_BYTES: Final = 64 << 20  # that any archive may unpack to
TARBALL_NAME_MAX_BYTES: Final = 64 << 10  # of a long name
# Of a file of source text, held in memory: a packed stream goes forward alone:
TARBALL_FILE_MAX_BYTES: Final = 512 * 1024
TARBALL_FILES_MAX_BYTES: Final = 8 << 20  # of all files of source text together
HAND_IN_MAX_LEVELS: Final = 8  # folders and archives in one another
HAND_IN_MAX_ARCHIVES_DEEP: Final = 3  # archives in one another
HAND_IN_MAX_FOLDERS: Final = 512  # looked into, of one hand-in
HAND_IN_MAX_ARCHIVES: Final = 16  # opened, of one hand-in
HAND_IN_ARCHIVES_MAX_BYTES: Final = 128 << 20  # of archives in archives, which are held in memory
ASSIGNMENT_MAX_HAND_INS: Final = 20_000  # of a whole class
ASSIGNMENT_MAX_WRAPPERS: Final = 3  # folders and archives around those of the people
GRADE_SHEET_MAX_BYTES: Final = 16 << 20  # of the sheet of grades that a platform has exported
METADATA_MAX_BYTES: Final = 8 << 20  # of the file in which Gradescope says whose a submission is

# Processes of the sandbox.
LAUNCHER_START_SECONDS: Final = 120.0  # for the launcher to import torch on a slow, cold machine
FORK_SECONDS: Final = 30.0  # for a fork, or for a worker to be ended
LOCK_SECONDS: Final = 30.0  # for a worker to lock itself
STACK_SECONDS: Final = 0.5  # that a worker which hangs gets to say where
STACK_PAUSE_SECONDS: Final = 0.1  # without another word, and it has said all
STACK_MAX_BYTES: Final = 16 * 1024  # of what it says
OUTPUT_READ_MAX_BYTES: Final = 8 * 1024  # of a worker's output that are ever read
# Times what may be spent, by the clock: a process that gets no core must end some time, too:
CLOCK_BACKSTOP_FACTOR: Final = 30
WORKER_CPU_SECONDS: Final = 900  # of a worker; the grader keeps the deadlines, and this is the backstop
WORKER_OUTPUT_MAX_BYTES: Final = 1 << 20  # that a worker may print; the kernel ends it beyond
WORKER_END_SECONDS: Final = 0.5  # that a worker which has hung up gets to end by itself
ATTEMPT_SECONDS: Final = 30.0  # for one attempt on the lock, as `grader doctor` makes them
CONTROL_LINE_MAX_BYTES: Final = 64 * 1024  # of a line between the grader and the launcher
FRAME_HEADER_MAX_BYTES: Final = 1 << 20  # of a frame between the grader and a worker
FRAME_PAYLOAD_MAX_BYTES: Final = 64 << 20  # of the tensors in it
FRAME_MAX_TENSORS: Final = 8192  # in one frame
TENSOR_MAX_DIMENSIONS: Final = 8  # of a tensor that travels
