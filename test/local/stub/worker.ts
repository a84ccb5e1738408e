// A Worker with nothing of ours in it: what the runner itself does shows here, whatever state the gateway is in.
interface Env {
  readonly DB: { prepare(sql: string): { bind(...values: unknown[]): { run(): Promise<unknown> } } }
  readonly [name: string]: unknown
}

export default {
  async fetch({ url }: Request, env: Env) {
    const reach = new URL(url).searchParams.get('reach')
    if (reach === null)
      return Response.json(Object.fromEntries(Object.entries(env).filter(([, value]) => typeof value === 'string')))
    const answer = await fetch(reach, { signal: AbortSignal.timeout(3_000) }).catch((error: unknown) => String(error))
    return Response.json(typeof answer === 'string' ? { error: answer } : { text: await answer.text() })
  },
  async scheduled(event: { readonly cron: string }, env: Env) {
    await env.DB.prepare('INSERT INTO runs (cron) VALUES (?)').bind(event.cron).run()
  },
}
