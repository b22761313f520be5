"""The candidate's own tests: do they pass on its package, and do they notice a bug that is planted in it?"""

from grader.own_tests.followup import own_tests as own_tests
