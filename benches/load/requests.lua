-- Requests for wrk. After "--": "get", which asks for random paths out of the file $PATHS (one a line),
-- "create PATH", which posts a new product with the bearer token $TOKEN, if there is one,
-- or "hold", which holds one unit of a random variant out of the file $PATHS for whom $TOKEN belongs to.
-- Prints one line "RESULT {json}" at the end; latencies are milliseconds.

local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

local headers = { ["Content-Type"] = "application/json" }
local description = string.rep("d", 200)
local sent = 0
local kind, target, paths

function init(arguments)
  kind, target = arguments[1], arguments[2]
  -- Each run has its own seed (so that rounds do not repeat the same names), each thread its own sequence.
  math.randomseed(tonumber(os.getenv("SEED") or "1") * 1009 + number)
  local token = os.getenv("TOKEN")
  if token then headers["Authorization"] = "Bearer " .. token end
  if kind ~= "create" then
    paths = {}
    for path in io.lines(os.getenv("PATHS")) do paths[#paths + 1] = path end
  end
end

local function create()
  sent = sent + 1
  local body = string.format(
    '{"name":"New product %d-%d","description":"%s","price":12.5,"category":"category-%02d","stock":5}',
    number, sent, description, math.random(20))
  return wrk.format("POST", target, headers, body)
end

local function hold()
  local body = string.format('{"lines":[{"variant_id":"%s","quantity":1}],"ttl_seconds":3600}', paths[math.random(#paths)])
  return wrk.format("POST", "/api/v2/reservations", headers, body)
end

function request()
  if kind == "create" then return create() end
  if kind == "hold" then return hold() end
  return wrk.format("GET", paths[math.random(#paths)])
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"rate":%.1f,"requests":%d,"bytes":%d,"p50":%.3f,"p95":%.3f,"p99":%.3f,"max":%.3f,"refused":%d,"broken":%d}\n',
    summary.requests / (summary.duration / 1e6), summary.requests, summary.bytes,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
