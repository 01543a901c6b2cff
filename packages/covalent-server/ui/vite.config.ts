import { defineConfig } from "vite";

/** The build is committed and compared byte for byte: nothing in it may depend on where or when it is made. */
export default defineConfig({
  // Relative to the page's <base>, in which the server writes its URL prefix.
  base: "./",
  build: {
    outDir: "../src/covalent_server/web/static",
    emptyOutDir: true,
    target: "es2022",
    // The first that know light-dark().
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    modulePreload: false,
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  worker: { format: "es" },
  server: { proxy: { "/api": process.env["COVALENT_SERVER_URL"] ?? "http://localhost:48008" } },
});
