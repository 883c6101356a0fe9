"""Engines go to whoever waits, return to what is kept, and are never taken in the middle of an answer."""

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from playground.core.placement import Action, Slot, SlotState, Verb, Want, places, plan

READY, EMPTY, BUSY, DRAINING = SlotState.READY, SlotState.EMPTY, SlotState.BUSY, SlotState.DRAINING


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[Slot], list[Want]]:
    shapes = {checkpoint: draw(st.sampled_from("ab")) for checkpoint in range(5)}
    held = draw(st.permutations(range(5)))
    slots = [slot(draw, number, held[number], shapes) for number in range(draw(st.integers(1, 3)))]
    checkpoints = draw(st.lists(st.integers(0, 4), unique=True, max_size=5))
    wants = [Want(c, shapes[c], draw(st.booleans()), draw(st.none() | st.floats(0, 20))) for c in checkpoints]
    return slots, sorted(wants, key=lambda want: not want.kept)


def slot(draw: st.DrawFn, number: int, checkpoint: int, shapes: dict[int, str]) -> Slot:
    state = draw(st.sampled_from(SlotState))
    if state is EMPTY:
        return Slot(number, EMPTY)
    leased = state is not BUSY and draw(st.booleans())
    starting = state is BUSY and draw(st.booleans())
    idle_s = 0.0 if leased else draw(st.floats(0, 100))
    return Slot(number, state, checkpoint, shapes[checkpoint], leased, starting, idle_s)


@given(situations())
def test_every_action_fits_the_slot_that_it_is_for(situation: tuple[list[Slot], list[Want]]) -> None:
    slots, wants = situation
    actions = plan(slots, wants)
    assert len({action.slot for action in actions}) == len(actions)
    shapes = {want.checkpoint: want.shape for want in wants}
    for action in actions:
        slot = slots[action.slot]
        match action.verb:
            case Verb.START:
                assert slot.state is EMPTY
            case Verb.SWAP:
                assert slot.idle
                assert slot.shape == shapes[action.checkpoint]
            case Verb.RESTART:
                assert slot.idle
            case Verb.DRAIN:
                assert (slot.state, slot.leased) == (READY, True)
            case Verb.RESUME:
                assert slot.state is DRAINING


@given(situations())
def test_processes_start_one_after_another(situation: tuple[list[Slot], list[Want]]) -> None:
    slots, wants = situation
    new = [action for action in plan(slots, wants) if action.verb in {Verb.START, Verb.RESTART}]
    assert len(new) <= (0 if any(slot.starting for slot in slots) else 1)


@given(situations())
def test_nothing_is_loaded_twice_or_unasked(situation: tuple[list[Slot], list[Want]]) -> None:
    slots, wants = situation
    loads = {action.slot: action.checkpoint for action in plan(slots, wants) if action.checkpoint is not None}
    loaded = list(loads.values())
    assert len(set(loaded)) == len(loaded)
    untouched = [slot for slot in slots if slot.number not in loads and slot.state in {READY, BUSY}]
    assert not set(loaded) & {slot.checkpoint for slot in untouched}
    assert set(loaded) <= {want.checkpoint for want in wants if want.kept or want.waited_s is not None}


def after(slots: list[Slot], actions: list[Action], wants: list[Want]) -> list[Slot]:
    """The next second: what was begun is done, answers end, and whoever waited is answered for a second."""
    shapes = {want.checkpoint: want.shape for want in wants}
    for action in actions:
        slot = slots[action.slot]
        if action.checkpoint is not None:
            slot = Slot(slot.number, READY, action.checkpoint, shapes[action.checkpoint])
        elif action.verb is Verb.DRAIN:
            slot = replace(slot, state=DRAINING)
        else:
            slot = replace(slot, state=READY)
        slots[action.slot] = slot
    return [
        replace(
            s, state=READY if s.state is BUSY else s.state, leased=False, starting=False, idle_s=s.idle_s + 1
        )
        for s in slots
    ]


@given(situations())
def test_everyone_who_waits_is_served_in_the_end(situation: tuple[list[Slot], list[Want]]) -> None:
    slots, wants = situation
    waiting = {want.checkpoint for want in wants if want.waited_s is not None}
    for second in range(60):
        waiting -= {slot.checkpoint for slot in slots if slot.state is READY}
        wants = [replace(w, waited_s=float(second) if w.checkpoint in waiting else None) for w in wants]
        slots = after(slots, plan(slots, wants), wants)
    assert not waiting


@given(situations())
def test_kept_checkpoints_come_back_when_nobody_asks(situation: tuple[list[Slot], list[Want]]) -> None:
    slots, wants = situation
    wants = [replace(want, waited_s=None) for want in wants]
    for _ in range(130):
        slots = after(slots, plan(slots, wants), wants)
    kept = {want.checkpoint for want in wants[: len(slots)] if want.kept}
    assert kept <= {slot.checkpoint for slot in slots}
    assert plan(slots, wants) == []


def test_a_pinned_checkpoint_lends_its_engine_and_a_resting_one_goes_first() -> None:
    pinned, borrowed = Slot(0, READY, 1, "a", idle_s=90), Slot(1, READY, 7, "a", idle_s=10)
    wants = [Want(1, "a", kept=True), Want(2, "a", kept=True), Want(3, "a", waited_s=0.0)]
    assert plan([pinned, borrowed], wants) == [Action(Verb.SWAP, 1, 3)]
    assert plan([pinned], wants) == [Action(Verb.SWAP, 0, 3)]


def test_an_answer_is_never_cut_off_but_an_engine_takes_no_more_when_someone_waits_long() -> None:
    slots = [Slot(0, READY, 1, "a", leased=True)]
    assert plan(slots, [Want(2, "a", waited_s=1.0)]) == []
    assert plan(slots, [Want(2, "a", waited_s=6.0)]) == [Action(Verb.DRAIN, 0)]


def test_a_second_engine_starts_only_for_a_second_checkpoint() -> None:
    slots = [Slot(0, READY, 1, "a"), Slot(1, EMPTY)]
    assert plan(slots, [Want(1, "a", kept=True)]) == []
    assert plan(slots, [Want(1, "a", kept=True), Want(2, "a", kept=True)]) == [Action(Verb.START, 1, 2)]


def test_a_second_engine_holds_the_same_checkpoint_where_two_are_to_hold_it() -> None:
    slots = [Slot(0, READY, 1, "a"), Slot(1, EMPTY), Slot(2, EMPTY)]
    assert plan(slots, [Want(1, "a", kept=True, replicas=2)]) == [Action(Verb.START, 1, 1)]
    slots[1] = Slot(1, READY, 1, "a")
    assert plan(slots, [Want(1, "a", kept=True, replicas=2)]) == []


def test_every_kept_checkpoint_has_an_engine_before_any_has_two() -> None:
    slots = [Slot(0, READY, 1, "a"), Slot(1, EMPTY)]
    wants = [Want(1, "a", kept=True, replicas=2), Want(2, "b", kept=True)]
    assert plan(slots, wants) == [Action(Verb.START, 1, 2)]


def test_who_waits_is_lent_the_engine_of_a_second_copy_first() -> None:
    slots = [Slot(0, READY, 2, "a", idle_s=90), Slot(1, READY, 1, "a"), Slot(2, READY, 1, "a")]
    wants = [Want(1, "a", kept=True), Want(2, "a", kept=True), Want(3, "a", waited_s=0.0)]
    assert plan(slots, wants) == [Action(Verb.SWAP, 1, 3)]


@given(situations(), st.lists(st.integers(1, 3), min_size=5, max_size=5))
def test_as_many_engines_hold_a_kept_checkpoint_in_the_end_as_are_to_and_can(
    situation: tuple[list[Slot], list[Want]], replicas: list[int]
) -> None:
    slots, wants = situation
    wants = [replace(w, waited_s=None, replicas=n) for w, n in zip(wants, replicas, strict=False)]
    for _ in range(200):
        slots = after(slots, plan(slots, wants), wants)
    kept = {want.checkpoint for want in wants if want.kept}
    held = Counter(slot.checkpoint for slot in slots)
    assert all(held[c] >= count for c, count in places(wants, len(slots)).items() if c in kept)
    assert plan(slots, wants) == []


def test_an_engine_that_nobody_uses_ends_where_it_is_to() -> None:
    slots = [Slot(0, READY, 1, "a", idle_s=700), Slot(1, READY, 2, "a", idle_s=700)]
    wants = [Want(1, "a", kept=True)]
    assert plan(slots, wants) == []
    assert plan(slots, wants, unload_after_s=600) == [Action(Verb.UNLOAD, 1)]
    assert plan(slots, wants, unload_after_s=800) == []
    busy = [slots[0], replace(slots[1], leased=True)]
    assert plan(busy, wants, unload_after_s=600) == []
