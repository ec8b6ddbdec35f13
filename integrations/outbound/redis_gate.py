"""Limiter and breaker of all processes together, in Redis: one round trip for a usual call.

One hash for each provider and credential. The scripts follow `Bucket` and `Circuit`, by the clock
of Redis. A call that meets a clean circuit and is answered writes nothing more.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from integrations.outbound.admission import Key, Rate, Standing, Ticket, Wait, refusal
from integrations.outbound.breaker import OPEN_SECONDS, THRESHOLD, Circuit, Verdict
from integrations.outbound.limiter import BRAKE_GAP, BRAKE_MOST, BRAKE_STEP, Bucket
from integrations.outbound.redis_link import RedisLink, Script

# Longer than any call, any open circuit, and the filling of a bucket.
KEEP_MS = 3_600_000
_BRAKES = (BRAKE_GAP, BRAKE_STEP, BRAKE_MOST)

_NOW = """
local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = t[1] + t[2] / 1000000
end
local function next_turn(turn)
  return math.max(turn + 1, math.floor(now * 1000000))
end
"""
# The sums of `Bucket`; `h` holds the fields of BUCKET in that order.
_BUCKET = """
local gap, step, most = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local h = redis.call('HMGET', KEYS[1], 'places', 'seen', 'per_second', 'burst', 'given', 'brake',
  'braked', 'brakes', 'failures', 'opened', 'probe', 'turn')
local given, brake, braked = tonumber(h[5]) or 0, tonumber(h[6]) or 0, tonumber(h[7]) or 0
local brakes = tonumber(h[8]) or 0
local function slowness()
  return math.max(0, brake - math.floor(math.max(0, now - braked) / step))
end
local function pace(per_second, burst)
  local factor = 2 ^ -slowness()
  return per_second * factor, math.max(1, burst * factor)
end
local function left_of(rate, fullest, burst)
  local places, seen = tonumber(h[1]) or burst, tonumber(h[2]) or now
  return math.min(fullest, places + math.max(0, now - seen) * rate)
end
"""
# A turn holds the time, so that a flushed Redis never gives out an old one again.
ADMIT = Script(
    _NOW
    + _BUCKET
    + """
local open_seconds, keep = tonumber(ARGV[5]), ARGV[6]
local per_second, burst, max_wait = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local place, known = tonumber(ARGV[10]), tonumber(ARGV[11])
local opened, since, turn = tonumber(h[10]), tonumber(h[11] or h[10]), tonumber(h[12]) or 0
if opened and now >= since and since + open_seconds - now > 0 then
  return {'breaker_open'}
end
if per_second and not (place and known == brakes) then
  local rate, fullest = pace(per_second, burst)
  local left, wait = left_of(rate, fullest, burst), 0
  if place then
    wait = math.max(0, -(left + math.max(0, given - place)) / rate)
  else
    wait = math.max(0, (1 - left) / rate)
  end
  if wait > max_wait then
    return {'rate_limited'}
  end
  if not place then
    given, place = given + 1, given + 1
    redis.call('HSET', KEYS[1], 'places', left - 1, 'seen', now, 'given', given,
      'per_second', per_second, 'burst', burst)
    redis.call('PEXPIRE', KEYS[1], keep)
  end
  if wait > 0 then
    return {'wait', string.format('%.17g', wait), place, brakes}
  end
end
if opened then
  turn = next_turn(turn)
  redis.call('HSET', KEYS[1], 'probe', now, 'turn', turn)
end
return {'go', turn, (opened or h[9]) and 0 or 1}
"""
)
BRAKE = Script(
    _NOW
    + _BUCKET
    + """
local per_second, burst = tonumber(h[3]), tonumber(h[4])
if not per_second or (brakes > 0 and now >= braked and now - braked < gap) then
  return 0
end
local rate, fullest = pace(per_second, burst)
local left = left_of(rate, fullest, burst)
brake, braked = math.min(most, slowness() + 1), now
redis.call('HSET', KEYS[1], 'brake', brake, 'braked', now, 'brakes', brakes + 1,
  'places', math.min(0, left) - pace(per_second, burst) * gap, 'seen', now)
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 1
"""
)
REPORT = Script(
    _NOW
    + """
local verdict, mine, answered_ago = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local threshold, keep = tonumber(ARGV[5]), ARGV[6]
local h = redis.call('HMGET', KEYS[1], 'failures', 'since', 'opened', 'turn')
local failures, since, opened = tonumber(h[1]) or 0, tonumber(h[2]), h[3]
local turn = tonumber(h[4]) or 0
local is_probe = opened and mine == turn

local function close()
  redis.call('HDEL', KEYS[1], 'failures', 'since', 'opened', 'probe')
  redis.call('HSET', KEYS[1], 'turn', next_turn(turn))
end

if verdict == 'close' then
  if redis.call('EXISTS', KEYS[1]) == 1 then
    close()
  end
elseif verdict == 'answered' then
  if is_probe then
    close()
  elseif not opened then
    redis.call('HDEL', KEYS[1], 'failures', 'since')
  end
elseif verdict == 'nothing' then
  if is_probe then
    redis.call('HDEL', KEYS[1], 'probe')
  end
elseif mine == turn then
  if since and answered_ago and now - answered_ago >= since then
    failures = 0
  end
  if failures == 0 then
    redis.call('HSET', KEYS[1], 'since', now)
  end
  redis.call('HSET', KEYS[1], 'failures', failures + 1)
  if is_probe or failures + 1 >= threshold then
    redis.call('HSET', KEYS[1], 'opened', now, 'turn', next_turn(turn))
    redis.call('HDEL', KEYS[1], 'probe')
  end
end
redis.call('PEXPIRE', KEYS[1], keep)
return 1
"""
)


class RedisState:
    """`admission.State` in Redis. Each method raises RedisAway where it can't be had.

    `clock` (seconds) replaces the clock of Redis, for tests.
    """

    def __init__(self, link: RedisLink, *, clock: Callable[[], float] | None = None) -> None:
        self._link, self._clock = link, clock
        # When a call that met a clean circuit was answered last, by key, since the last failure.
        self._answered: dict[Key, float] = {}

    def admit(
        self, key: Key, rate: Rate | None, *, max_wait: float, held: Wait | None = None
    ) -> Ticket | Wait:
        """See `State.admit`."""
        per_second, burst = rate or ("", "")
        place, brakes = (held.place, held.brakes) if held else ("", "")
        word, *rest = self._link.run(
            ADMIT,
            [self._name(key)],
            self._now(),
            *_BRAKES,
            OPEN_SECONDS,
            KEEP_MS,
            per_second,
            burst,
            max_wait,
            place,
            brakes,
        )
        if word == "go":
            return Ticket(key, rest[0], bool(rest[1]))
        if word == "wait":
            return Wait(float(rest[0]), rest[1], rest[2])
        raise refusal(word)

    def heed(self, ticket: Ticket, verdict: Verdict) -> None:
        """See `State.heed`.

        An answer to a call that met a clean circuit is only noted here. Should other calls have
        failed meanwhile, the next failure of this process brings it up.
        """
        if verdict is Verdict.THROTTLED:
            self._link.run(BRAKE, [self._name(ticket.key)], self._now(), *_BRAKES, KEEP_MS)
            verdict = Verdict.ANSWERED
        if ticket.is_clean and verdict is not Verdict.FAILED:
            self._link.require()
            if verdict is Verdict.ANSWERED:
                self._answered[ticket.key] = self._local_now()
            return
        self._report(ticket.key, verdict, ticket.turn)

    def close(self, key: Key) -> None:
        """See `State.close`."""
        self._report(key, "close", 0)

    def standings(self) -> dict[Key, Standing]:
        """See `State.standings`."""
        seconds, micros = self._link.ask("TIME")
        now = self._clock() if self._clock else int(seconds) + int(micros) / 1_000_000
        found = {}
        start = self._link.key("gate", "")
        for name in self._link.scan(f"{start}*"):
            provider, _, credential = name.removeprefix(start).partition(":")
            flat = self._link.ask("HGETALL", name)
            fields = dict(zip(flat[::2], flat[1::2], strict=True))
            found[provider, credential] = _standing(fields, now)
        return found

    def _report(self, key: Key, verdict: str, turn: int) -> None:
        answered = self._answered.pop(key, None) if verdict == Verdict.FAILED else None
        ago = "" if answered is None else self._local_now() - answered
        self._link.run(
            REPORT, [self._name(key)], self._now(), verdict, turn, ago, THRESHOLD, KEEP_MS
        )

    def _name(self, key: Key) -> str:
        return self._link.key("gate", *key)

    def _now(self) -> float | str:
        return self._clock() if self._clock else ""

    def _local_now(self) -> float:
        return (self._clock or time.monotonic)()


def _standing(fields: dict[str, str], now: float) -> Standing:
    bucket = None
    if "per_second" in fields:  # a version that knew no brake wrote none
        bucket = Bucket(
            float(fields["places"]),
            float(fields["seen"]),
            float(fields["per_second"]),
            float(fields["burst"]),
            given=int(fields["given"]),
            brake=int(fields.get("brake", 0)),
            braked_at=float(fields.get("braked", 0)),
            brakes=int(fields.get("brakes", 0)),
        )
    opened, probe = (
        float(fields[name]) if name in fields else None for name in ("opened", "probe")
    )
    circuit = Circuit(int(fields.get("failures", 0)), opened, probe, int(fields.get("turn", 0)))
    return Standing(bucket, circuit, now)
