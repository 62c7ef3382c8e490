// A service as docs/api.md has it in Express: who shows a good token is known, who shows none or a bad one is turned away. Run by run.py,
// which puts the guide's lines in the place of the comment below.

import assert from "node:assert/strict";

import express from "express";

const [, , shop] = process.argv;
const app = express();
// GUIDE
app.get("/", (request, response) => response.json({ account: request.account }));

const json = { "Content-Type": "application/json" };
const email = "guide@example.com";
const password = "correct horse battery staple";
const post = async (path, body) =>
  (await fetch(`${shop}/api/v2${path}`, { method: "POST", headers: json, body: JSON.stringify(body) })).json();
const { id } = await post("/accounts", { username: "guide", email, password });
const { access_token: token } = await post("/sessions", { email, password });

const server = app.listen(0, "127.0.0.1");
await new Promise((listening) => server.once("listening", listening));
const ask = (headers) => fetch(`http://127.0.0.1:${server.address().port}/`, { headers });
assert.deepEqual(await (await ask({ Authorization: `Bearer ${token}` })).json(), { account: id });
assert.equal((await ask({})).status, 401);
const [head, payload, signature] = token.split(".");
const forged = [head, payload, signature.split("").reverse().join("")].join(".");
assert.equal((await ask({ Authorization: `Bearer ${forged}` })).status, 401);
server.close();
