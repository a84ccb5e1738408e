// Imported before anything that has a schema: zod would otherwise try whether it may make functions out of text, which our content security policy
// forbids and the browser complains of. Its own `config` says the same, and brings the whole library into the first load.
Object.assign(globalThis, { __zod_globalConfig: { jitless: true } })
