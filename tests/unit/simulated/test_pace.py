"""A play is told on time, does not drift, and waits for a slow reader. Time is the loop's own."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine

import pytest

from gateway.simulated.pace import BATCH, EARLY_S, Pace, Player
from gateway.simulated.play import Play


class Skipping(selectors.SelectSelector):
    """Passes the time that the loop would wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += timeout or 0
        return super().select(0)


class Loop(asyncio.SelectorEventLoop):
    """A loop in which waiting takes no time."""

    def __init__(self) -> None:
        self.clock = Skipping()
        super().__init__(self.clock)

    def time(self) -> float:
        return self.clock.now


class Heard:
    """A client's side that notes what comes when, and does something about it."""

    def __init__(self) -> None:
        self.told: list[tuple[float, bytes]] = []
        self.then: Callable[[bytes], object] = len

    def push(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        self.told.append((round(loop.time() - 1000, 6), data))
        self.then(data)

    @property
    def text(self) -> bytes:
        return b"".join(data for _, data in self.told)


PACE = Pace(first_s=0.2, gap_s=0.1)
FAST = Pace(first_s=0.0, gap_s=0.0)


def play(tokens: int) -> Play:
    return Play(b"(", iter([b"%d," % number for number in range(tokens)]), tokens, b")")


def run(telling: Coroutine[object, object, None]) -> Loop:
    loop = Loop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(asyncio.wait_for(telling, 3600))
    return loop


def tell(heard: Heard, pace: Pace, tokens: int, beats: int) -> Loop:
    async def telling() -> None:
        await Player(heard, play(tokens), pace, asyncio.get_running_loop().time()).tell(beats)

    return run(telling())


@pytest.mark.parametrize(
    ("elapsed_s", "due"),
    [(0.0, 0), (0.19, 0), (0.2, 1), (0.2 - EARLY_S / 2, 1), (0.25, 1), (0.3, 2), (10.2, 101)],
)
def test_tokens_are_due_by_the_clock(elapsed_s: float, due: int) -> None:
    assert PACE.by(elapsed_s) == due


def test_without_a_pace_all_are_due_after_the_first_wait() -> None:
    assert Pace(0.2, 0.0).by(0.1) == 0
    assert Pace(0.2, 0.0).by(0.2) is None
    assert Pace(0.2, 0.0).due_s(99) == 0.2


def test_each_token_comes_when_it_is_due() -> None:
    tell(heard := Heard(), PACE, tokens=3, beats=3)
    assert [data for _, data in heard.told] == [b"(0,", b"1,", b"2,"]
    assert [at for at, _ in heard.told] == pytest.approx([0.2, 0.3, 0.4], abs=EARLY_S)


def test_a_long_play_does_not_drift() -> None:
    tell(heard := Heard(), PACE, tokens=5000, beats=5000)
    assert heard.told[-1][0] == pytest.approx(PACE.due_s(4999), abs=EARLY_S)


def test_a_hold_up_delays_no_later_token() -> None:
    async def telling() -> None:
        loop, heard = asyncio.get_running_loop(), Heard()
        assert isinstance(loop, Loop)

        def hold_up(data: bytes) -> None:
            loop.clock.now += 0.25 if data == b"1," else 0

        heard.then = hold_up
        await Player(heard, play(6), PACE, loop.time()).tell(6)
        assert [data for _, data in heard.told] == [b"(0,", b"1,", b"2,3,", b"4,", b"5,"]
        late_s = [at for at, _ in heard.told]
        assert late_s == pytest.approx([0.2, 0.3, 0.55, 0.6, 0.7], abs=EARLY_S)

    run(telling())


def test_no_more_is_told_than_asked_for() -> None:
    tell(heard := Heard(), PACE, tokens=9, beats=2)
    assert heard.text == b"(0,1,"


def test_of_no_beats_the_opening_is_told() -> None:
    tell(heard := Heard(), PACE, tokens=9, beats=0)
    assert heard.text == b"("


@pytest.mark.parametrize("tokens", [1, BATCH, BATCH + 1, 3 * BATCH])
def test_without_a_pace_tokens_come_in_batches_at_once(tokens: int) -> None:
    tell(heard := Heard(), FAST, tokens, tokens)
    assert heard.text == b"(" + b"".join(b"%d," % number for number in range(tokens))
    assert len(heard.told) == -(-tokens // BATCH)
    assert heard.told[-1][0] == 0


@pytest.mark.parametrize("pace", [PACE, FAST])
def test_while_the_client_does_not_read_nothing_is_told(pace: Pace) -> None:
    async def telling() -> None:
        loop, heard, size = asyncio.get_running_loop(), Heard(), 3 * BATCH
        player = Player(heard, play(size), pace, loop.time())
        told = loop.create_task(player.tell(size))
        heard.then = lambda data: player.pause()
        await asyncio.sleep(1)
        assert len(heard.told) == 1
        player.resume()
        await asyncio.sleep(1)
        assert len(heard.told) == 2
        while not told.done():
            player.resume()
            await asyncio.sleep(100)
        assert heard.text.count(b",") == size

    run(telling())


def test_who_leaves_is_told_nothing_more() -> None:
    async def telling() -> None:
        loop, heard = asyncio.get_running_loop(), Heard()
        player = Player(heard, play(9), PACE, loop.time())
        told = loop.create_task(player.tell(9))
        await asyncio.sleep(0.25)
        told.cancel()
        await asyncio.sleep(10)
        player.resume()
        await asyncio.sleep(10)
        assert heard.text == b"(0,"

    run(telling())
