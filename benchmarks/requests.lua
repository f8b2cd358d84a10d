-- The requests of a workload: wrk --script requests.lua URL -- WORKLOAD PREFIX [TOKEN]
-- Created names begin with PREFIX, which has to be new. The last line of the output is JSON.

local rows = 1000
local count = 0
local make, prefix

local function read()
  return wrk.format("GET", "/examples/" .. (count % rows + 1))
end

local function create()
  local body = '{"name":"' .. prefix .. count .. '"}'
  return wrk.format("POST", "/examples", { ["Content-Type"] = "application/json" }, body)
end

local function get(path)
  return function()
    return wrk.format("GET", path)
  end
end

local workloads = {
  ["read-one"] = read,
  ["list"] = get("/examples"),
  ["sorted"] = get("/orders?status=paid&sort=-total&cursor=WyItdG90YWwiLDUwMCw1MDBd"),
  ["list-small"] = get("/examples"),
  ["create"] = create,
  ["mix"] = function()
    return count % 10 == 0 and create() or read()
  end,
  ["first-page"] = get("/orders?sort=-total"),
  ["deep-page"] = get("/orders?sort=-total&cursor=WyItdG90YWwiLDEwMCwxMDAwMDBd"),
  ["health"] = get("/health/live"),
}

function init(arguments)
  make = workloads[arguments[1]]
  prefix = arguments[2]
  if arguments[3] and arguments[3] ~= "" then
    wrk.headers["Authorization"] = "Bearer " .. arguments[3]
  end
end

function request()
  count = count + 1
  return make()
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format(
    '{"requests": %d, "microseconds": %d, "errors": %d, "p50": %.0f, "p99": %.0f}\n',
    summary.requests, summary.duration, failed,
    latency:percentile(50), latency:percentile(99)
  ))
end
