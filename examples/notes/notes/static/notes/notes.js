// Keeps the page's notes as they are now; without it the page works by reloading.

const list = document.getElementById("notes");
const statusLine = document.getElementById("status");
const template = document.querySelector("template").content.firstElementChild;

let position = null; // where to resume: stream, since, subscription; null: take a snapshot
let attempts = 0;

function connect() {
  const url = new URL("/ws", location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  url.search = new URLSearchParams({ feeds: "note", ...position });
  const socket = new WebSocket(url, ["realtime.v1"]);
  const connection = { parts: [], wait: 0, silenceMs: 15000, staleTimer: 0, refusal: "" };
  socket.onmessage = (event) => {
    receive(JSON.parse(event.data), connection);
    clearTimeout(connection.staleTimer);
    connection.staleTimer = setTimeout(() => socket.close(), connection.silenceMs);
  };
  socket.onclose = ({ code }) => {
    clearTimeout(connection.staleTimer);
    // 1008: not with these credentials. Everything else is worth another try.
    if (code === 1008) return (statusLine.textContent = connection.refusal);
    statusLine.textContent = "Disconnected: what you see may be old. Reconnecting…";
    const backoff = Math.random() * Math.min(30000, 500 * 2 ** attempts++);
    setTimeout(connect, connection.wait || backoff);
  };
}

function receive(message, connection) {
  switch (message.type) {
    case "connection_established":
      attempts = 0;
      connection.silenceMs = 3000 * message.heartbeat_seconds;
      connection.subscription = message.subscription;
      // Before its snapshot is complete there is nothing to resume from.
      if (message.resume === "snapshot") position = null;
      statusLine.textContent = "Live";
      break;
    case "snapshot":
      if (message.part === 1) connection.parts = [];
      connection.parts.push(...(message.data.note ?? []));
      if (message.part < message.parts) break;
      replaceAll(connection.parts);
      position = {
        stream: message.stream,
        since: message.seq,
        subscription: connection.subscription,
      };
      break;
    case "note":
      if (["created", "updated"].includes(message.action)) show(message.data);
      else document.getElementById(`note-${message.data.id}`)?.remove();
      position.since = message.seq;
      break;
    case "heartbeat":
      if (position) position.since = message.seq;
      break;
    case "server_closing":
      connection.wait = 1000 * message.reconnect_after;
      break;
    case "error":
      connection.refusal = message.message;
  }
}

function replaceAll(notes) {
  const ids = new Set(notes.map((note) => `note-${note.id}`));
  for (const item of [...list.children]) if (!ids.has(item.id)) item.remove();
  notes.forEach(show);
}

function show(note) {
  let item = document.getElementById(`note-${note.id}`);
  if (!item) {
    item = template.cloneNode(true);
    item.id = `note-${note.id}`;
    list.append(item);
  }
  const form = item.querySelector("form");
  form.action = `/${note.id}/`;
  // What somebody is typing stays.
  if (form.contains(document.activeElement)) return;
  form.elements.title.value = note.title;
  form.elements.text.value = note.text;
}

connect();
