// What the viewer shows, and what it must not do. Everything goes to this server.

// Samples are for those who read this page: curl, JavaScript's fetch, and Python's requests. All others are hidden.
const HIDDEN = {
  ...Object.fromEntries(
    ["c", "clojure", "csharp", "dart", "fsharp", "go", "http", "java", "julia", "kotlin", "node", "objc", "ocaml", "php", "powershell",
      "r", "ruby", "rust", "swift"].map((language) => [language, true]),
  ),
  js: ["axios", "jquery", "ofetch", "xhr"],
  python: ["aiohttp", "httpx", "httpx_async", "httpx_sync", "python3"],
  shell: ["httpie", "wget"],
};

Scalar.createApiReference("#page", {
  sources: [
    { title: "v2", slug: "v2", url: "/openapi/v2.json", default: true },
    { title: "v1", slug: "v1", url: "/openapi/v1.json" },
  ],
  // The documents name no server, and a copied sample needs one.
  servers: [{ url: location.origin }],
  authentication: { preferredSecurityScheme: "bearer" },
  // A token is gone with the tab.
  persistAuth: false,
  // All of these would ask servers elsewhere, which the policy forbids.
  agent: { disabled: true },
  hideClientButton: true,
  mcp: { disabled: true },
  showDeveloperTools: "never",
  telemetry: false,
  withDefaultFonts: false,
  documentDownloadType: "direct",
  hiddenClients: HIDDEN,
  orderSchemaPropertiesBy: "preserve",
});
