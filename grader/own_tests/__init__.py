"""The candidate's own tests: do they pass on its package, and do they notice a bug that is planted in it?"""

from grader.own_tests.followup import own_tests as own_tests
from grader.own_tests.followup import written as written
from grader.own_tests.results import waiting as waiting
