// When a market can be used: every model has a node that passed its probes, seen as any caller sees it.
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { createClient } from '../../protocol/client.ts'
import { ModelView } from '../../protocol/openai.ts'
import { ExpectedFailure } from './expected.ts'

const List = z.object({ data: z.array(ModelView) })
/** ms; probes are short answers of each model, but the machine may be busy */
const ROUTABLE_MS = 60_000

/**
 * @param ended what the only node last said when it ends, so that nobody waits for it
 * @throws ExpectedFailure naming the models that nobody serves in time
 */
export async function routable(url: string, models: readonly string[], ended?: Promise<string>): Promise<void> {
  const client = createClient({ url })
  let last: string | null = null
  void ended?.then((sentence) => (last = sentence))
  const until = Date.now() + ROUTABLE_MS
  for (;;) {
    const { data } = await client.send('GET', '/v1/models', List)
    const open = models.filter((model) => !data.some((view) => view.id === model && view.nodes > 0))
    if (open.length === 0) return
    if (last !== null) throw new ExpectedFailure(`The node ended: ${String(last)}`)
    if (Date.now() > until)
      throw new ExpectedFailure(
        `No node serves ${open.join(', ')} after ${ROUTABLE_MS / 1_000} s: see node.log and gateway.log.`,
      )
    await sleep(200)
  }
}
