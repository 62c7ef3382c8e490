// What the document forbids does not compile: each line below would be an error without the one above it. Never run.

import type { Client } from "openapi-fetch";

import type { NewProduct, Product, paths } from "./built/v2.js";

export async function misuse(client: Client<paths>, product: Product) {
  const path = { id: product.id };
  const price = { amount: 3990, currency: "USD" };

  // @ts-expect-error A change names the version that it is based on.
  await client.DELETE("/api/v2/products/{id}", { params: { path } });
  // @ts-expect-error A product has a name.
  await client.POST("/api/v2/products", { body: { price } });
  // @ts-expect-error Money has a currency.
  await client.POST("/api/v2/products", { body: { name: "Desk lamp", price: { amount: 3990 } } });
  // @ts-expect-error There is no such status.
  await client.POST("/api/v2/products", { body: { name: "Desk lamp", price, status: "public" } });
  // @ts-expect-error There is no such field.
  const body: NewProduct = { name: "Desk lamp", price, colour: "brass" };
  await client.POST("/api/v2/products", { body });
  // @ts-expect-error There is no such order.
  await client.GET("/api/v2/products", { params: { query: { sort: "oldest" } } });
  // @ts-expect-error A product need not have a category.
  product.category.length;
  // @ts-expect-error Only those who manage a product see its stock.
  product.variants[0]?.stock.available;
  // @ts-expect-error There is no such path.
  await client.GET("/api/v2/product");
}
