import { defineConfig } from 'vite'

export default defineConfig({
  build: {
    target: 'es2022',
    // The page's Content-Security-Policy allows files of its own origin only: nothing is inlined as data:.
    assetsInlineLimit: 0,
    // The editor is one piece, and all of it is needed at once.
    chunkSizeWarningLimit: 700,
    license: { fileName: 'third-party-licences.md' },
    // The room, and the API's reference.
    rolldownOptions: { input: ['index.html', 'api.html'] },
  },
  server: {
    host: '127.0.0.1',
    // `npm run dev` serves the page; the API is that of a `dojo serve` with default ports, which must allow this
    // server's origin (http://127.0.0.1:5173) in its setting `allowed_origins`.
    proxy: { '/api': { target: 'http://127.0.0.1:8080', changeOrigin: true } },
  },
})
