// The plain page of the stream: shows every feed's objects and the last events as they arrive.

const EVENTS_SHOWN = 50;
const COLUMNS_SHOWN = 12;
const SHORTEST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30000;

const statusLine = document.getElementById("status");
const stateElement = document.getElementById("state");
const eventsElement = document.getElementById("events");

const state = new Map(); // feed → Map(key → data), or an array for a feed without keys
let keys = {};
let position = null; // what a resume needs: stream, since, subscription
let unfinished = null;
let isBehind = false; // a snapshot is due: until it is complete there is nothing to resume from
let attempts = 0;
let staleTimer = 0;
let isDrawing = false;

function setStatus(text, kind) {
  if (statusLine.textContent !== text) statusLine.textContent = text;
  statusLine.className = kind;
  stateElement.classList.toggle("stale", kind !== "live");
}

function connect() {
  const url = new URL("ws", location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  if (position && !isBehind) for (const [name, value] of Object.entries(position)) url.searchParams.set(name, value);
  const socket = new WebSocket(url, ["realtime.v1"]);
  const connection = { reconnectAfter: null, refusal: null, heartbeatSeconds: 5 };
  socket.onmessage = (message) => {
    receive(JSON.parse(message.data), connection);
    clearTimeout(staleTimer);
    staleTimer = setTimeout(() => socket.close(), 3000 * connection.heartbeatSeconds);
  };
  socket.onclose = () => {
    clearTimeout(staleTimer);
    if (connection.refusal) return setStatus(`Refused: ${connection.refusal}`, "refused");
    const ceiling = Math.min(LONGEST_WAIT_MS, SHORTEST_WAIT_MS * 2 ** attempts++);
    const wait = connection.reconnectAfter ?? Math.random() * ceiling;
    setStatus("Disconnected, reconnecting…", "waiting");
    setTimeout(connect, wait);
  };
}

function receive(message, connection) {
  switch (message.type) {
    case "connection_established":
      attempts = 0;
      keys = message.keys;
      connection.heartbeatSeconds = message.heartbeat_seconds;
      // What was asked for holds until its replay or snapshot is applied; `live` is already there.
      position = {
        stream: message.stream,
        since: message.resume === "replay" ? position.since : message.seq,
        subscription: message.subscription,
      };
      isBehind = message.resume === "snapshot";
      setStatus(`Live (${message.resume})`, "live");
      break;
    case "snapshot":
      applySnapshot(message);
      break;
    case "heartbeat":
      if (!isBehind && !unfinished) position.since = message.seq;
      setStatus(message.delayed ? `The server's log is ${message.delayed} s behind` : "Live", message.delayed ? "waiting" : "live");
      break;
    case "server_closing":
      connection.reconnectAfter = message.reconnect_after * 1000;
      break;
    case "error":
      if (message.fatal && !["too_slow", "too_many_connections", "unavailable", "disconnected"].includes(message.code)) {
        connection.refusal = message.message;
      }
      break;
    default:
      if (message.action) applyEvent(message);
  }
}

function applySnapshot(message) {
  if (message.part === 1) unfinished = {};
  if (!unfinished) return;
  for (const [feed, objects] of Object.entries(message.data)) (unfinished[feed] ??= []).push(...objects);
  if (message.part < message.parts) return;
  for (const [feed, objects] of Object.entries(unfinished)) {
    state.set(feed, keys[feed] ? new Map(objects.map((data) => [data[keys[feed]], data])) : objects);
  }
  unfinished = null;
  isBehind = false;
  position.stream = message.stream;
  position.since = message.seq;
  draw();
}

function applyEvent(message) {
  const key = keys[message.type];
  if (!key) {
    const messages = state.get(message.type) ?? [];
    state.set(message.type, [...messages, message.data].slice(-50));
  } else {
    const objects = state.get(message.type) ?? new Map();
    const isLive = message.action === "created" || message.action === "updated";
    if (isLive) objects.set(message.data[key], message.data);
    else objects.delete(message.data[key]);
    state.set(message.type, objects);
  }
  position.since = message.seq;
  const line = document.createElement("li");
  line.value = message.seq;
  line.textContent = `${message.timestamp} ${message.type} ${message.action} ${JSON.stringify(message.data)}`;
  eventsElement.prepend(line);
  while (eventsElement.children.length > EVENTS_SHOWN) eventsElement.lastChild.remove();
  draw();
}

function draw() {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    stateElement.replaceChildren(...[...state].flatMap(([feed, objects]) => table(feed, [...objects.values()])));
  });
}

function table(feed, rows) {
  const heading = document.createElement("h3");
  heading.textContent = `${feed} (${rows.length})`;
  if (!keys[feed] || rows.length === 0) return [heading];
  const columns = Object.keys(rows[0]).slice(0, COLUMNS_SHOWN);
  const element = document.createElement("table");
  const head = element.createTHead().insertRow();
  for (const column of columns) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = column.replaceAll("_", " ");
    head.append(cell);
  }
  const body = element.createTBody();
  for (const data of rows) {
    const row = body.insertRow();
    for (const column of columns) row.insertCell().textContent = data[column] ?? "–";
  }
  return [heading, element];
}

connect();
