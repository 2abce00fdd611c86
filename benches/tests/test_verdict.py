"""The rule of `--check`."""
import random
import unittest

from harness import verdict
from harness.verdict import BETTER, FINE, NOT_JUDGED, NOTHING_WORSE, SOMETHING_WORSE, UNSURE, WORSE, code, judge


class Judge(unittest.TestCase):
    def test_a_change_beyond_what_both_scatter_is_named(self):
        for then, now, more_is_better, expected in [
            ([1.0, 1.02, 1.05], [1.30, 1.33, 1.35], False, WORSE),
            ([1.0, 1.02, 1.05], [1.30, 1.33, 1.35], True, BETTER),
            ([0.80, 0.82], [0.60, 0.63], True, WORSE),
            ([0.80, 0.82], [0.60, 0.63], False, BETTER),
        ]:
            with self.subTest(then=then, now=now):
                self.assertEqual(judge(then, now, more_is_better), expected)

    def test_less_than_a_tenth_is_never_named(self):
        self.assertEqual(judge([1.0, 1.0, 1.0], [1.09, 1.09], False), FINE)
        self.assertEqual(judge([1.0, 1.0, 1.0], [1.11, 1.11], False), WORSE)

    def test_the_noise_of_either_run_hides_a_change(self):
        self.assertEqual(judge([1.0, 1.1, 1.4], [1.45, 1.46], False), FINE)
        self.assertEqual(judge([1.0, 1.0, 1.0], [1.0, 1.3, 1.45], False), FINE)

    def test_ratios_that_scatter_widely_or_of_one_turn_tell_nothing(self):
        self.assertEqual(judge([1.0, 1.1], [0.6, 1.0, 2.0], False), UNSURE)
        self.assertEqual(judge([1.0, 1.1], [9.0], False), UNSURE)
        self.assertEqual(judge([], [1.0, 1.0], False), UNSURE)

    def test_nothing_is_as_good_as_nothing(self):
        self.assertEqual(judge([0, 0, 0], [0, 0], False), FINE)
        self.assertEqual(judge([0, 0, 0], [0.5, 0.5], False), WORSE)

    def test_of_equal_programs_hardly_any_is_named(self):
        chance = random.Random(4)
        turns = lambda n: [chance.lognormvariate(0, 0.12) for _ in range(n)]
        named = sum(judge(turns(5), turns(5), False) == WORSE for _ in range(10_000))
        self.assertLess(named, 20)


class Code(unittest.TestCase):
    def test_a_run_of_which_much_tells_nothing_is_not_judged(self):
        self.assertEqual(code([FINE] * 9 + [UNSURE]), NOTHING_WORSE)
        self.assertEqual(code([FINE] * 9 + [WORSE]), SOMETHING_WORSE)
        self.assertEqual(code([FINE] * 6 + [UNSURE] * 4), NOT_JUDGED)
        self.assertEqual(code([FINE] * 5 + [UNSURE] * 4 + [WORSE]), NOT_JUDGED)
        self.assertEqual(code([]), NOT_JUDGED)
        self.assertEqual(len({NOTHING_WORSE, SOMETHING_WORSE, NOT_JUDGED, 2}), 4, "argparse ends with 2")
        self.assertGreater(verdict.TURNS_MIN, 1)


if __name__ == "__main__":
    unittest.main()
