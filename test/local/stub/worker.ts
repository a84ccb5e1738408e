// A Worker with nothing of ours in it: what the runner itself does shows here, whatever state the gateway is in.
interface Env {
  readonly DB: { prepare(sql: string): { bind(...values: unknown[]): { run(): Promise<unknown> } } }
  readonly [name: string]: unknown
}

export default {
  fetch: (_: Request, env: Env) =>
    Response.json(Object.fromEntries(Object.entries(env).filter(([, value]) => typeof value === 'string'))),
  async scheduled(event: { readonly cron: string }, env: Env) {
    await env.DB.prepare('INSERT INTO runs (cron) VALUES (?)').bind(event.cron).run()
  },
}
