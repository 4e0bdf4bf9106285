-- What a location of an Ingress does that no filter of Envoy does, in the order of nginx's phases. This text is all of
-- it: values come as the context of the filter (model/script.py), and nothing of a user becomes a part of the script.
-- Each worker of an Envoy has its own state of it. A mistake in here refuses a request by 500, it never lets one pass.

local MOST_KEPT = 1000 -- entries of a cache; a full one is emptied
local COLLECTION_MILLISECONDS = 50 -- the least time between two, which take a millisecond
local PASSWORD_SECONDS, AUTH_MILLISECONDS, PAGE_MILLISECONDS = 600, 10000, 10000
local METADATA = "podwire"
local OF_CONNECTION = {
  ["connection"] = true, ["content-length"] = true, ["keep-alive"] = true, ["te"] = true, ["trailer"] = true,
  ["transfer-encoding"] = true, ["upgrade"] = true, ["expect"] = true, ["proxy-connection"] = true,
} -- RFC 9110, 7.6.1
local WITH_COOKIE = {}
for _, status in ipairs({200, 201, 204, 206, 301, 302, 303, 304, 307, 308}) do WITH_COOKIE[tostring(status)] = true end

-- Variables of a request ----------------------------------------------------------------------------------------------

local function without_port(address)
  return address:match("^%[(.*)%]:%d+$") or address:match("^([^:]*):%d+$") or address
end

local function escaped(text)
  return (text:gsub("[^%w%-%._~]", function(one) return string.format("%%%02X", one:byte()) end))
end

local function argument(request, name)
  for key, value in request.path:gsub("^[^?]*%??", ""):gmatch("([^&=]*)=?([^&]*)") do
    if key == name then return value end
  end
  return ""
end

local function cookie(header, name)
  for key, value in (header or ""):gmatch("%s*([^=;]*)=?([^;]*)") do
    if key == name then return value end
  end
  return ""
end

local VARIABLES = {
  host = function(r) return (r.authority:gsub(":%d+$", ""):lower()) end,
  http_host = function(r) return r.authority end,
  scheme = function(r) return r.scheme end,
  request_uri = function(r) return r.path end,
  escaped_request_uri = function(r) return escaped(r.path) end,
  uri = function(r) return (r.path:gsub("%?.*$", "")) end,
  args = function(r) return r.path:match("%?(.*)$") or "" end,
  request_method = function(r) return r.method end,
  request_id = function(r) return r.headers:get("x-request-id") or "" end,
  remote_addr = function(r) return without_port(r.info:downstreamRemoteAddress()) end,
  http = function(r, name) return r.headers:get(name) or "" end,
  cookie = function(r, name) return cookie(r.headers:get("cookie"), name) end,
  arg = argument,
}

local function text(request, template)
  local found = {}
  for index, part in ipairs(template or {}) do
    found[index] = part.text or VARIABLES[part.variable](request, part.name)
  end
  return table.concat(found)
end

-- After a call of another service what a handle returned before is not valid any more: it is requested each time.
local OF_HANDLE = {
  headers = function(handle) return handle:headers() end,
  info = function(handle) return handle:streamInfo() end,
  context = function(handle) return handle:filterContext() end,
}
local REQUEST = {__index = function(request, name) return OF_HANDLE[name](request.handle) end}

local function request_of(handle)
  local headers = handle:headers()
  return setmetatable({
    handle = handle,
    path = headers:get(":path") or "/", authority = headers:get(":authority") or "",
    method = headers:get(":method") or "GET",
    scheme = headers:get("x-forwarded-proto") or headers:get(":scheme") or "http",
  }, REQUEST)
end

local function keep(request, name, value) request.info:dynamicMetadata():set(METADATA, name, value) end

-- A table that is emptied when it is full: what it knows is known again by the next call.
local function cache()
  local entries, count = {}, 0
  return {
    get = function(key)
      local found = entries[key]
      return found and found.expires > os.time() and found.value or nil
    end,
    put = function(key, value, seconds)
      if count >= MOST_KEPT then entries, count = {}, 0 end
      if not entries[key] then count = count + 1 end
      entries[key] = {value = value, expires = os.time() + seconds}
    end,
  }
end

local answers, passwords = cache(), cache()

-- Connections of one client ------------------------------------------------------------------------------------------

-- A stream that ends in any way loses its handle, and with it its token, whose end is counted by the collector.
local counts, tokens, tokens_by_number, last_number = {}, setmetatable({}, {__mode = "k"}), {}, 0
local last_collection = 0

local function released(token)
  if token.key then
    local left = counts[token.key] - 1
    counts[token.key] = left > 0 and left or nil
    token.key, tokens_by_number[token.number] = nil, nil
  end
end

local function in_bits(number, count)
  local found = {}
  for index = count - 1, 0, -1 do found[#found + 1] = math.floor(number / 2 ^ index) % 2 end
  return table.concat(found)
end

local function words(text, pattern, base, count)
  local found = {}
  for word in text:gmatch(pattern) do found[#found + 1] = in_bits(tonumber(word, base), count) end
  return table.concat(found)
end

-- An address as its version and its bits (RFC 4291, 2.2), of which a range is the first.
local function bits(address)
  if not address:find(":", 1, true) then return "4" .. words(address, "%d+", 10, 8) end
  local head, tail = address:match("^(.-)::(.*)$")
  local before, after = words(head or address, "%x+", 16, 16), words(tail or "", "%x+", 16, 16)
  return "6" .. before .. string.rep("0", 128 - #before - #after) .. after
end

local function is_exempt(request, ranges)
  local address = ranges and bits(VARIABLES.remote_addr(request))
  for _, range in ipairs(ranges or {}) do
    if address:sub(1, #range) == range then return true end
  end
  return false
end

local function admitted(request, scope, most)
  if is_exempt(request, request.context:get("connections_exempt")) then return true end
  local key = scope .. " " .. VARIABLES.remote_addr(request)
  local now = request.handle:timestamp()
  if (counts[key] or 0) >= most and now - last_collection > COLLECTION_MILLISECONDS then
    for _ = 1, 3 do collectgarbage() end -- a handle, its entry of a weak table, the token
    last_collection = now
  end
  if (counts[key] or 0) >= most then return false end
  counts[key], last_number = (counts[key] or 0) + 1, last_number + 1
  local token = {key = key, number = last_number, guard = newproxy(true)}
  getmetatable(token.guard).__gc = function() released(token) end
  tokens_by_number[last_number] = setmetatable({token = token}, {__mode = "v"})
  tokens[request.handle] = token
  keep(request, "token", last_number)
  return true
end

-- Certificates of clients ---------------------------------------------------------------------------------------------

local function refused_certificate(request, settings, message)
  if settings.error_page then
    return request.handle:respond({[":status"] = "302", ["location"] = text(request, settings.error_page)}, "")
  end
  request.handle:respond({[":status"] = "400", ["content-type"] = "text/plain"}, message .. "\n")
end

local function check_certificate(request, settings)
  local ssl = request.info:downstreamSslConnection()
  local presented = ssl ~= nil and ssl:peerCertificatePresented()
  local valid = presented and ssl:peerCertificateValidated()
  -- The certificate was verified for the name of the connection: it is of no use for another host.
  if ssl ~= nil and request.info:requestedServerName():lower() ~= VARIABLES.host(request) then
    return request.handle:respond({[":status"] = "421"}, "")
  end
  if settings.required ~= false and not presented then
    return refused_certificate(request, settings, "No required SSL certificate was sent")
  end
  local now = os.time()
  local current = presented and ssl:validFromPeerCertificate() <= now and now <= ssl:expirationPeerCertificate()
  if presented and (not current or settings.verified ~= false and not valid) then
    return refused_certificate(request, settings, "The SSL certificate error")
  end
  local headers = request.headers
  headers:replace("ssl-client-verify", valid and "SUCCESS" or presented and "FAILED" or "NONE")
  for name, value in pairs({
    ["ssl-client-subject-dn"] = presented and ssl:subjectPeerCertificate() or "",
    ["ssl-client-issuer-dn"] = presented and ssl:issuerPeerCertificate() or "",
    ["ssl-client-cert"] = settings.passes and presented and ssl:urlEncodedPemEncodedPeerCertificate() or "",
  }) do
    if value ~= "" then headers:replace(name, value) else headers:remove(name) end
  end
end

-- Users and authorization ---------------------------------------------------------------------------------------------

local SYMBOLS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function decoded(encoded)
  local found, bits, count = {}, 0, 0
  for symbol in encoded:gmatch("[%w+/]") do
    bits, count = bits * 64 + SYMBOLS:find(symbol, 1, true) - 1, count + 6
    if count >= 8 then
      count = count - 8
      local byte = math.floor(bits / 2 ^ count)
      found[#found + 1] = string.char(byte)
      bits = bits - byte * 2 ^ count
    end
  end
  return table.concat(found)
end

-- Each check returns nothing where the request may pass, else the response that refuses it.
local function check_password(request, settings)
  local challenge = {[":status"] = "401", ["www-authenticate"] = 'Basic realm="' .. (settings.realm or "") .. '"'}
  local encoded = (request.headers:get("authorization") or ""):match("^[Bb][Aa][Ss][Ii][Cc] +(.*)$")
  local user, password = decoded(encoded or ""):match("^([^:]*):(.*)$")
  local hash = user and request.context:get("user:" .. user)
  if not hash then return challenge end
  local key = hash .. "\n" .. password
  if passwords.get(key) then return end
  local given = {[":method"] = "POST", [":path"] = "/", [":authority"] = "passwords"}
  local answer = request.handle:httpCall("passwords", given, key, AUTH_MILLISECONDS)
  if answer[":status"] == "204" then return passwords.put(key, true, PASSWORD_SECONDS) end
  return answer[":status"] == "403" and challenge or {[":status"] = "503"}
end

local function auth_headers(request, settings)
  local found = {}
  for name, value in pairs(request.headers) do
    if name:sub(1, 1) ~= ":" and name:sub(1, 8) ~= "x-envoy-" and not OF_CONNECTION[name] then found[name] = value end
  end
  found["x-forwarded-proto"] = nil
  found[":method"] = settings.method or "GET"
  found[":path"], found[":authority"] = text(request, settings.path), text(request, settings.authority)
  found["x-original-url"] = request.scheme .. "://" .. request.authority .. request.path
  found["x-original-method"], found["x-sent-from"] = request.method, "nginx-ingress-controller"
  found["x-real-ip"] = VARIABLES.remote_addr(request)
  found["x-forwarded-for"] = found["x-real-ip"]
  found["x-auth-request-redirect"] = request.path
  if settings.original_request then found["x-auth-request-redirect"] = text(request, settings.original_request) end
  if settings.method then found["x-original-uri"], found["x-scheme"] = request.path, request.scheme end
  for _, one in ipairs(settings.headers or {}) do found[one.name:lower()] = one.value end
  return found
end

local function first(value) return type(value) == "table" and value[1] or value end

-- How long an answer is kept: its own headers come before the annotation (nginx, proxy_cache_valid); nil: not at all.
-- A date in Expires is not read: such an answer is not kept.
local function kept_seconds(answer, usual)
  if not usual then return nil end
  local accelerated = first(answer["x-accel-expires"])
  if accelerated then return tonumber(accelerated) end
  local control = answer["cache-control"]
  if type(control) == "table" then control = table.concat(control, ",") end
  control = (control or ""):lower()
  if control:find("no%-store") or control:find("no%-cache") or control:find("private") then return nil end
  local age = control:match("s%-maxage=(%d+)") or control:match("max%-age=(%d+)")
  if age then return tonumber(age) end
  return not answer["expires"] and usual or nil
end

local function auth_answer(request, settings)
  local options = {timeout_ms = AUTH_MILLISECONDS, send_xff = false, return_duplicate_headers = true}
  if not settings.cache then
    return (request.handle:httpCall(settings.cluster, auth_headers(request, settings), nil, options))
  end
  local key = settings.cache.scope .. "\n" .. text(request, settings.cache.key)
  local answer = answers.get(key)
  if answer then return answer end
  answer = request.handle:httpCall(settings.cluster, auth_headers(request, settings), nil, options)
  local seconds = kept_seconds(answer, settings.cache.seconds[answer[":status"]] or settings.cache.seconds.any)
  -- Cookies are for one client: as by nginx (proxy_cache_valid) an answer that sets some is not kept.
  if seconds and seconds > 0 and not answer["set-cookie"] then answers.put(key, answer, seconds) end
  return answer
end

local function check_authorization(request, settings)
  local answer = auth_answer(request, settings)
  local status, cookies = answer[":status"], answer["set-cookie"]
  if type(cookies) == "string" then cookies = {cookies} end
  if status:sub(1, 1) == "2" then
    for _, name in ipairs(settings.response_headers or {}) do
      local value = first(answer[name:lower()])
      if value then request.headers:replace(name, value) else request.headers:remove(name) end
    end
    if cookies then
      keep(request, "cookies", cookies)
      keep(request, "always", settings.always_sets_cookie or false)
    end
    return
  end
  if status == "401" and settings.signin then
    return {[":status"] = "302", ["location"] = text(request, settings.signin), ["set-cookie"] = cookies}
  end
  if status == "401" then return {[":status"] = "401", ["www-authenticate"] = first(answer["www-authenticate"])} end
  return {[":status"] = status == "403" and "403" or "500"}
end

local function address_is_allowed(request)
  local found = request.info:dynamicMetadata():get("envoy.filters.http.rbac")
  return found ~= nil and found["podwire_shadow_engine_result"] == "allowed"
end

-- Returns the response that refuses the request. `any`: the first check that passes is enough (nginx, satisfy).
local function access(request)
  local any, refusal = request.context:get("any_suffices"), nil
  if any and request.context:get("has_addresses") then
    if address_is_allowed(request) then return end
    refusal = {[":status"] = "403"}
  end
  for _, one in ipairs({{"passwords", check_password}, {"auth", check_authorization}}) do
    local settings = request.context:get(one[1])
    if settings then
      local answer = one[2](request, settings)
      if any and not answer then return end
      if not any and answer then return answer end
      refusal = answer or refusal
    end
  end
  return any and refusal or nil
end

-- Requests ------------------------------------------------------------------------------------------------------------

local MAY_NOT_REPEAT = {POST = true, PATCH = true, LOCK = true}

local function allow_retries(request, settings)
  if MAY_NOT_REPEAT[request.method] and not settings.every_method then return end
  local conditions = table.concat(settings.conditions or {}, ",")
  if conditions ~= "" then request.headers:replace("x-envoy-retry-on", conditions) end
  if settings.statuses then
    request.headers:replace("x-envoy-retriable-status-codes", table.concat(settings.statuses, ","))
  end
end

local function copy(request, settings)
  local found = auth_headers(request, settings)
  for _, name in ipairs({"x-original-url", "x-original-method", "x-sent-from", "x-auth-request-redirect"}) do
    found[name] = request.headers:get(name)
  end
  found[":method"], found["x-forwarded-proto"] = request.method, request.scheme
  local options = {timeout_ms = AUTH_MILLISECONDS, send_xff = false, asynchronous = true}
  request.handle:httpCall(settings.cluster, found, nil, options)
end

local function for_response(request)
  local context = request.context
  if context:get("errors") then
    keep(request, "method", request.method)
    keep(request, "uri", request.path)
    keep(request, "authority", request.authority)
    keep(request, "format", request.headers:get("accept") or "")
    keep(request, "id", VARIABLES.request_id(request))
    keep(request, "client", VARIABLES.remote_addr(request))
  end
  for _, name in ipairs({"location", "cookie_domain", "cookie_path"}) do
    local found = context:get(name)
    if found then
      keep(request, name .. "_before", text(request, found.before))
      keep(request, name .. "_after", text(request, found.after))
    end
  end
  if context:get("session") then keep(request, "agent", request.headers:get("user-agent") or "") end
end

local function on_request(handle)
  local request = request_of(handle)
  for_response(request)
  if request.context:get("logged") == false then keep(request, "log", "off") end
  local certificate = request.context:get("certificate")
  if certificate then check_certificate(request, certificate) end
  local status = request.context:get("redirect_status")
  if status then
    local target = text(request, request.context:get("redirect"))
    return handle:respond({[":status"] = string.format("%d", status), ["location"] = target}, "")
  end
  local most = request.context:get("connections")
  if most and not admitted(request, request.context:get("scope"), most) then
    local refused = request.context:get("connections_status")
    return handle:respond({[":status"] = string.format("%d", refused)}, "")
  end
  local refusal = access(request)
  if refusal then return handle:respond(refusal, "") end
  local retries, copied = request.context:get("retries"), request.context:get("copy")
  if retries then allow_retries(request, retries) end
  if copied then copy(request, copied) end
end

function envoy_on_request(handle)
  local passed, problem = pcall(on_request, handle)
  if not passed then
    handle:logErr(tostring(problem))
    handle:respond({[":status"] = "500"}, "")
  end
end

-- Responses -----------------------------------------------------------------------------------------------------------

local function has(values, wanted)
  for _, one in ipairs(values or {}) do
    if one == wanted then return true end
  end
  return false
end

local function replace_by_page(handle, pages, kept, status)
  local given = {
    [":method"] = kept.method == "HEAD" and "HEAD" or "GET", [":path"] = "/", [":authority"] = kept.authority,
    ["x-code"] = status, ["x-format"] = kept.format, ["x-original-uri"] = kept.uri, ["x-request-id"] = kept.id,
    ["x-forwarded-for"] = kept.client,
  }
  for _, one in ipairs(pages.headers or {}) do given[one.name:lower()] = one.value end
  local options = {timeout_ms = PAGE_MILLISECONDS, send_xff = false, return_duplicate_headers = true}
  handle:body(true) -- what is to be replaced must be complete before another call
  local answer, body = handle:httpCall(pages.cluster, given, nil, options)
  if not answer["x-envoy-upstream-service-time"] then return false end -- there is no page: the response stays as it is
  local headers, names = handle:headers(), {}
  for name in pairs(headers) do names[#names + 1] = name end
  for _, name in ipairs(names) do
    if name:sub(1, 1) ~= ":" then headers:remove(name) end
  end
  for name, values in pairs(answer) do
    if not OF_CONNECTION[name] and name ~= ":status" and name ~= "x-envoy-upstream-service-time" then
      for _, value in ipairs(type(values) == "table" and values or {values}) do headers:add(name, value) end
    end
  end
  headers:replace(":status", answer[":status"])
  if kept.method ~= "HEAD" then
    headers:replace("content-length", tostring(#(body or "")))
    handle:body(true):setBytes(body or "")
  end
  return true
end

local function begins(whole, start) return whole:sub(1, #start) == start end

local function moved(kept, name, value)
  local before = kept[name .. "_before"]
  if before == nil or not begins(value, before) then return value end
  return kept[name .. "_after"] .. value:sub(#before + 1)
end

local function with_domain(kept, value)
  local before = kept.cookie_domain_before
  if before and value:gsub("^%.", ""):lower() == before:gsub("^%.", ""):lower() then return kept.cookie_domain_after end
  return value
end

-- Chromium, "SameSite=None: Known Incompatible Clients".
local function knows_same_site_none(agent)
  if agent:find("CPU iPhone OS 12[_ ]") or agent:find("iPad; CPU OS 12[_ ]") then return false end
  if agent:find("Mac OS X 10_14.*Version/.*Safari") and not agent:find("Chrom") then return false end
  local chrome = tonumber(agent:match("Chrom[^ /]*/(%d+)"))
  return not (chrome and chrome >= 51 and chrome <= 66)
end

local function changed_cookie(kept, session, value)
  if kept.cookie_path_before then
    value = value:gsub("(;%s*[Pp][Aa][Tt][Hh]=)([^;]*)", function(name, path)
      return name .. moved(kept, "cookie_path", path)
    end)
  end
  if kept.cookie_domain_before then
    value = value:gsub("(;%s*[Dd][Oo][Mm][Aa][Ii][Nn]=)([^;]*)", function(name, domain)
      return name .. with_domain(kept, domain)
    end)
  end
  if session and begins(value, session.name .. "=") then
    if session.expires then
      value = value .. "; Expires=" .. os.date("!%a, %d-%b-%y %H:%M:%S GMT", os.time() + session.expires)
    end
    if session.spares_old_clients and not knows_same_site_none(kept.agent or "") then
      value = value:gsub(";%s*SameSite=None", "")
    end
  end
  return value
end

local function change_cookies(headers, kept, session)
  local found = {}
  for index = 0, headers:getNumValues("set-cookie") - 1 do
    found[#found + 1] = changed_cookie(kept, session, headers:getAtIndex("set-cookie", index))
  end
  headers:remove("set-cookie")
  for _, one in ipairs(found) do headers:add("set-cookie", one) end
end

local function change_headers(handle, context, kept)
  local headers = handle:headers()
  for _, name in ipairs({"location", "refresh"}) do
    local value = headers:get(name)
    if value and kept.location_before then
      local start, rest = "", value
      if name == "refresh" then start, rest = value:match("^(.-[Uu][Rr][Ll]=)(.*)$") end
      if rest then headers:replace(name, start .. moved(kept, "location", rest)) end
    end
  end
  local session = context:get("session")
  if headers:get("set-cookie") and (session or kept.cookie_path_before or kept.cookie_domain_before) then
    change_cookies(headers, kept, session)
  end
end

local function on_response(handle)
  local context, headers = handle:filterContext(), handle:headers()
  local kept = handle:streamInfo():dynamicMetadata():get(METADATA) or {}
  local status, own = headers:get(":status"), headers:get("x-envoy-upstream-service-time") == nil
  if kept.cookies and (kept.always or WITH_COOKIE[status]) then
    for _, one in ipairs(kept.cookies) do headers:add("set-cookie", one) end
  end
  change_headers(handle, context, kept)
  local pages, replaced = context:get("errors"), false
  if pages and kept.uri and (has(pages.statuses, status) or own and has(pages.own_only, status)) then
    replaced = replace_by_page(handle, pages, kept, status)
  end
  if kept.token then
    if not replaced then
      for _ in handle:bodyChunks() do end
    end
    local found = (tokens_by_number[kept.token] or {}).token
    if found then released(found) end
  end
end

function envoy_on_response(handle)
  local passed, problem = pcall(on_response, handle)
  if not passed then handle:logErr(tostring(problem)) end
end
