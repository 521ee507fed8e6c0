"""Everything that must happen at once or not at all, as Lua for the store.

Each script is one step of the protocol; a killed process leaves either all of it or nothing. Every
script may be sent again after a lost reply: versions and set-if-absent make the second time
harmless. It never decides who works on what.

The journal's stream ids are `<version>-0`, so that the store itself refuses a version twice.
"""

from typing import Final

_JOURNAL: Final = """
local function now()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
local function last(run)
  local found = redis.call('XREVRANGE', run, '+', '-', 'COUNT', 1)
  if #found == 0 then return 0, '' end
  return tonumber(string.match(found[1][1], '^%d+')), found[1][2][2]
end
local function append(run, version, kind, writer, data, channel)
  redis.call('XADD', run, string.format('%.0f-0', version),
    'kind', kind, 'at', string.format('%.0f', now()), 'writer', writer, 'data', data)
  redis.call('PUBLISH', channel, run)
end
local function drop(stream, group, id)
  redis.pcall('XACK', stream, group, id)
  redis.call('XDEL', stream, id)
end
"""
"""`kind` is written first, so that `last` finds it in the second place."""

SUBMIT: Final = (
    _JOURNAL
    + """
-- KEYS run, runs, repeat; ARGV channel, run id, writer, data, fingerprint, retention
if KEYS[3] ~= '' then
  local before = redis.call('GET', KEYS[3])
  if before then return before end
end
if last(KEYS[1]) == 0 then
  append(KEYS[1], 1, 'accepted', ARGV[3], ARGV[4], ARGV[1])
  redis.call('XADD', KEYS[2], '*', 'run', ARGV[2])
end
local mine = ARGV[2] .. ' ' .. ARGV[5]
if KEYS[3] ~= '' then redis.call('SET', KEYS[3], mine, 'PX', ARGV[6]) end
return mine
"""
)
"""Accept a run: journal and queue at once. Returns the run id and the fingerprint of its request,
which are those of an earlier run if the key for repeats is taken."""

APPEND: Final = (
    _JOURNAL
    + """
-- KEYS run; ARGV channel, expected version, kind, writer, data
local version, kind = last(KEYS[1])
if version ~= tonumber(ARGV[2]) or kind == 'answer' then return -1 end
append(KEYS[1], version + 1, ARGV[3], ARGV[4], ARGV[5], ARGV[1])
return version + 1
"""
)
"""Append at the expected version only; the loser gets -1 and reads again."""

FINISH_RUN: Final = (
    _JOURNAL
    + """
-- KEYS run, runs, results; ARGV channel, expected version, writer, data, group, entry, retention
local version, kind = last(KEYS[1])
if kind ~= 'answer' then
  if version ~= tonumber(ARGV[2]) then return -1 end
  version = version + 1
  append(KEYS[1], version, 'answer', ARGV[3], ARGV[4], ARGV[1])
end
redis.call('PEXPIRE', KEYS[1], ARGV[7])
redis.call('PEXPIRE', KEYS[3], ARGV[7])
drop(KEYS[2], ARGV[5], ARGV[6])
return version
"""
)
"""Store the answer, then take the run off the queue. A run that has its answer keeps it."""

AWARD: Final = (
    _JOURNAL
    + """
-- KEYS run, tasks, alive
-- ARGV channel, expected version, writer, data, run id, node, attempt, again
local version, kind = last(KEYS[1])
if version ~= tonumber(ARGV[2]) or kind == 'answer' then return -1 end
if redis.call('EXISTS', KEYS[3]) == 0 then return -2 end
append(KEYS[1], version + 1, 'award', ARGV[3], ARGV[4], ARGV[1])
redis.call('XADD', KEYS[2], '*', 'run', ARGV[5], 'node', ARGV[6], 'attempt', ARGV[7],
  'again', ARGV[8])
return version + 1
"""
)
"""Journal an award and queue the task; -2 when the executor has gone."""

FINISH_TASK: Final = (
    _JOURNAL
    + """
-- KEYS run, tasks, results; ARGV channel, node, writer, data, group, entry, retention
local version, kind = last(KEYS[1])
local first = 0
if version > 0 and kind ~= 'answer' then
  first = redis.call('HSETNX', KEYS[3], ARGV[2], ARGV[3])
  redis.call('PEXPIRE', KEYS[3], ARGV[7])
  if first == 1 then append(KEYS[1], version + 1, 'result', ARGV[3], ARGV[4], ARGV[1]) end
end
drop(KEYS[2], ARGV[5], ARGV[6])
return first
"""
)
"""Store the first result of a node and drop the task; 0 when the result came too late."""

REFRESH: Final = """
-- KEYS stream; ARGV group, consumer, entries...
local mine = {}
for i = 3, #ARGV do
  local held = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)
  if not held.err and #held == 1 and held[1][2] == ARGV[2] then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID')
    mine[#mine + 1] = ARGV[i]
  end
end
return mine
"""
"""Say that entries are still worked on; returns those that are still the caller's. A plain XCLAIM
would take back what another has claimed since."""

REAP: Final = (
    _JOURNAL
    + """
-- KEYS run, from, to, alive of from, alive of to, results
-- ARGV channel, group, entry, idle, writer, award, unknown, retention, most attempts
local entry = redis.call('XRANGE', KEYS[2], ARGV[3], ARGV[3])
if #entry == 0 then
  redis.pcall('XACK', KEYS[2], ARGV[2], ARGV[3])
  return 'gone'
end
local task = {}
for i = 1, #entry[1][2], 2 do task[entry[1][2][i]] = entry[1][2][i + 1] end
local held = redis.pcall('XPENDING', KEYS[2], ARGV[2], ARGV[3], ARGV[3], 1)
local started = not held.err and #held == 1
if started and held[1][3] < tonumber(ARGV[4]) then return 'busy' end
if not started and redis.call('EXISTS', KEYS[4]) == 1 then return 'busy' end
local version, kind = last(KEYS[1])
if version == 0 or kind == 'answer' or redis.call('HEXISTS', KEYS[6], task.node) == 1 then
  drop(KEYS[2], ARGV[2], ARGV[3])
  return 'stale'
end
if started and (task.again == '0' or tonumber(task.attempt) >= tonumber(ARGV[9])) then
  redis.call('HSETNX', KEYS[6], task.node, ARGV[5])
  redis.call('PEXPIRE', KEYS[6], ARGV[8])
  append(KEYS[1], version + 1, 'result', ARGV[5], ARGV[7], ARGV[1])
  drop(KEYS[2], ARGV[2], ARGV[3])
  return 'unknown'
end
if KEYS[3] == '' or redis.call('EXISTS', KEYS[5]) == 0 then return 'nobody' end
drop(KEYS[2], ARGV[2], ARGV[3])
append(KEYS[1], version + 1, 'award', ARGV[5], ARGV[6], ARGV[1])
redis.call('XADD', KEYS[3], '*', 'run', task.run, 'node', task.node,
  'attempt', tonumber(task.attempt) + 1, 'again', task.again)
return 'moved'
"""
)
"""Take a task from an executor that was lost and award it anew, unless it must not run twice or
has lost too many executors already."""

HEARTBEAT: Final = """
-- KEYS alive, executors; ARGV name, ability, time to live
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('SADD', KEYS[2], ARGV[1])
return 1
"""
"""Say that an executor lives."""

FORGET: Final = """
-- KEYS alive, tasks, executors; ARGV name
if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('XLEN', KEYS[2]) > 0 then return 0 end
redis.call('DEL', KEYS[2])
redis.call('SREM', KEYS[3], ARGV[1])
return 1
"""
"""Remove an executor that has gone and left nothing to do."""
