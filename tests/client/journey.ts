// A seller's day, through a client that openapi-fetch and openapi-typescript make of the document. Run by run.py.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import createClient, { type Client, type Middleware } from "openapi-fetch";

import type { NewProduct, Problem, Product, ProductPage, Tokens, paths } from "./built/v2.js";

const baseUrl = process.argv[2] ?? assert.fail("usage: node journey.js URL");
const credentials = { email: "ada@example.com", password: "correct horse battery staple" };

interface Answer<Body> {
  data?: Body;
  error?: Problem;
  response: Response;
}

/** The body of an answer that has to have this status. */
function expect<Body>(status: number, { data, error, response }: Answer<Body>): Body {
  assert.equal(response.status, status, error && JSON.stringify(error));
  return data as Body;
}

/** What a refusal says, which has to have this status. */
function refused(status: number, { error, response }: Answer<unknown>): Problem {
  assert.equal(response.status, status);
  assert.equal(response.headers.get("Content-Type"), "application/problem+json");
  assert(error);
  assert.equal(error.status, status);
  assert.equal(error.request_id, response.headers.get("X-Request-Id"));
  return error;
}

function etag({ response }: Answer<unknown>): string {
  const found = response.headers.get("ETag");
  assert(found, "the answer has an ETag");
  return found;
}

function carrying(tokens: Tokens): Middleware {
  return {
    onRequest({ request }) {
      request.headers.set("Authorization", `${tokens.token_type} ${tokens.access_token}`);
    },
  };
}

function clientWith(tokens: Tokens): Client<paths> {
  const client = createClient<paths>({ baseUrl });
  client.use(carrying(tokens));
  return client;
}

/** Everything that the shop shows, read two products at a time. */
async function shown(client: Client<paths>): Promise<Product[]> {
  const all: Product[] = [];
  let cursor: string | null = null;
  do {
    const query = { sort: "name", limit: 2, ...(cursor && { cursor }) } as const;
    const page: ProductPage = expect(200, await client.GET("/api/v2/products", { params: { query } }));
    all.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor);
  return all;
}

// Nobody yet: wrong input is told by its place in the body.
const visitor = createClient<paths>({ baseUrl });
const wrong = await visitor.POST("/api/v2/accounts", { body: { username: "ada", email: "ada", password: "short" } });
const problem = refused(422, wrong);
assert.equal(problem.code, "validation-failed");
assert.deepEqual(problem.errors?.map((error) => error.pointer).sort(), ["/email", "/password"]);

// Register and log in.
const account = expect(201, await visitor.POST("/api/v2/accounts", { body: { username: "ada", ...credentials } }));
assert.equal(account.username, "ada");
assert.equal(account.role, "user");
const tokens = expect(201, await visitor.POST("/api/v2/sessions", { body: credentials }));
const ada = clientWith(tokens);
assert.deepEqual(expect(200, await ada.GET("/api/v2/me")), account);

// Create a product; a repeated request has one effect.
const lamp: NewProduct = {
  name: "Desk lamp",
  category: "Lighting",
  tags: ["brass"],
  price: { amount: 3990, currency: "USD" },
  stock: 5,
};
const once = { params: { header: { "Idempotency-Key": randomUUID() } }, body: lamp };
const created = await ada.POST("/api/v2/products", once);
const product = expect(201, created);
assert.equal(created.response.headers.get("Location"), `/api/v2/products/${product.id}`);
assert.equal(product.owner_id, account.id);
assert.equal(product.status, "draft");
assert.deepEqual(product.price, lamp.price);
assert.deepEqual(product.variants[0]?.stock, { on_hand: 5, reserved: 0, available: 5, backordered: 0 });
const repeated = await ada.POST("/api/v2/products", once);
assert.deepEqual(expect(201, repeated), product);
assert.equal(repeated.response.headers.get("Idempotent-Replayed"), "true");

// A draft is the seller's own affair.
const params = { path: { id: product.id } };
const drafts = { params: { query: { status: "draft", count: "exact" } } } as const;
const mine = expect(200, await ada.GET("/api/v2/me/products", drafts));
assert.deepEqual(mine, { items: [{ ...product, etag: etag(created) }], next_cursor: null, count: 1 });
assert.equal(refused(404, await visitor.GET("/api/v2/products/{id}", { params })).code, "not-found");

// A change names the version that it is based on.
const change = { status: "active", price: { amount: 3490, currency: "USD" } } as const;
const read = { params: { ...params, header: { "If-Match": etag(created) } } };
const patched = await ada.PATCH("/api/v2/products/{id}", { ...read, body: change });
const active = expect(200, patched);
assert.deepEqual({ ...active, ...change }, active);
assert.equal(active.version, product.version + 1);
assert.equal(active.name, product.name);
assert.equal(refused(412, await ada.PATCH("/api/v2/products/{id}", { ...read, body: change })).code, "stale-version");

// Now everyone sees it, without its stock, and need not read twice what has not changed.
const seen = await visitor.GET("/api/v2/products/{id}", { params });
assert.equal(expect(200, seen).price.amount, 3490);
assert.equal(seen.data?.variants[0]?.stock, undefined);
const had = { params: { ...params, header: { "If-None-Match": etag(seen) } } };
assert.equal((await visitor.GET("/api/v2/products/{id}", had)).response.status, 304);

// The list shows every product once, whatever its pages.
const names = ["Armchair", "Bookcase", "Cushion"];
for (const name of names) {
  expect(201, await ada.POST("/api/v2/products", { body: { ...lamp, name, status: "active" } }));
}
const listed = await shown(visitor);
assert.deepEqual(listed.map(({ name }) => name), [...names, "Desk lamp"]);
assert.deepEqual(listed.at(-1), { ...seen.data, etag: etag(seen) });

// Delete it, as it is now.
assert.equal(refused(412, await ada.DELETE("/api/v2/products/{id}", read)).code, "stale-version");
const current = { params: { ...params, header: { "If-Match": etag(patched) } } };
expect(204, await ada.DELETE("/api/v2/products/{id}", current));
assert.equal(refused(404, await ada.GET("/api/v2/products/{id}", { params })).code, "not-found");
assert.deepEqual((await shown(visitor)).map(({ name }) => name), names);

// Go on with fresh tokens, and log out: that ends the old ones too, which are of the same session.
const { refresh_token } = tokens;
const fresh = expect(201, await visitor.POST("/api/v2/sessions/refresh", { body: { refresh_token } }));
const later = clientWith(fresh);
expect(204, await later.DELETE("/api/v2/sessions/current"));
for (const client of [later, ada]) {
  assert.equal(refused(401, await client.GET("/api/v2/me")).code, "unauthenticated");
}

console.log("the journey is done");
