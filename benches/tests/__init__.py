"""Tests of the rules by which figures are judged; they measure nothing."""
