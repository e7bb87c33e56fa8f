"""Strategies for Hypothesis: values that an argument must refuse."""

from hypothesis import strategies as st

BROKEN = [float("nan"), float("inf"), -float("inf")]

not_a_number = st.one_of(st.booleans(), st.text(), st.lists(st.integers(), max_size=2), st.just(1j))
not_whole = st.one_of(st.floats(), not_a_number)
not_positive = st.one_of(not_whole, st.integers(max_value=0), st.none())
not_a_share = st.one_of(
    not_a_number,
    st.none(),
    st.floats(max_value=-1e-9),
    st.floats(min_value=1, exclude_min=True),
    st.sampled_from(BROKEN),
)
not_above_0 = st.one_of(not_a_number, st.floats(max_value=0), st.sampled_from(BROKEN))
