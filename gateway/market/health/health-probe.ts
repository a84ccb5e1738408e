// A probe of an offer that is not new (flow): the gateway asks one of the model's known questions where no caller does, so that health is known without traffic
// and a broken offer comes back without costing callers their trials. The offer's guard decides whether it is time and hears how it went; nobody pays.
import { NodeErrorBody } from '../../../protocol/node.ts'
import type { ModelId, NodeId } from '../../../protocol/units.ts'
import type { Clock } from '../../core/clock.ts'
import { logError } from '../../core/errors.ts'
import { boundedJson } from '../../link/bounded.ts'
import { LinkGone, type NodeLink } from '../../link/node-link.ts'
import { probeCall, sendProbe, type ProbeNeeds } from '../admission/probe.ts'
import type { ProbeReport } from '../guard/guard-health.ts'
import type { NodeGuards } from '../guard/node-guard.ts'
import type { Model, Offer } from '../market-port.ts'
import { PROBE_PACE } from './breaker.ts'
import { createProbeBook } from './probe-book.ts'

export interface HealthProbeNeeds extends ProbeNeeds {
  readonly db: D1Database
  readonly nodeGuards: NodeGuards
}

/** A probe that was sent; its guard is still to be told. */
export interface SentProbe {
  readonly offer: Offer
  readonly report: ProbeReport
}

export type HealthProbes = ReturnType<typeof createHealthProbes>

export function createHealthProbes(needs: HealthProbeNeeds) {
  const book = createProbeBook(needs.db)
  const tell = ({ offer, report }: SentProbe) => needs.nodeGuards(offer.nodeId).probed(report)
  /** Null: it is not time, or it may not serve. */
  const send = async (nodeId: NodeId, modelId: ModelId): Promise<SentProbe | null> => {
    if (!(await needs.nodeGuards(nodeId).beginProbe(nodeId, modelId))) return null
    const found = await book.find(nodeId, modelId, needs.clock())
    return found && { offer: found.offer, report: await answerOf(needs, found.offer, found.model) }
  }
  return {
    due: book.due,
    send,
    tell,
    /** Both, for one offer. It never throws: nobody waits for it. */
    async run(nodeId: NodeId, modelId: ModelId): Promise<void> {
      try {
        const sent = await send(nodeId, modelId)
        if (sent) await tell(sent)
      } catch (error) {
        logError(error, null)
      }
    },
  }
}

async function answerOf(needs: HealthProbeNeeds, offer: Offer, model: Model): Promise<ProbeReport> {
  const seen = watched(needs.link, needs.clock)
  const probes = model.manifest.probes
  const probe = probes[(needs.random(1)[0] ?? 0) % probes.length] ?? probes[0]
  const { id: modelId } = model
  if (!probe) return { modelId, outcome: 'away', firstTokenMs: null }
  const probeMs = needs.probeMs ?? PROBE_PACE.timeoutMs
  const deadline = AbortSignal.timeout(PROBE_PACE.timeoutMs)
  try {
    await sendProbe({ ...needs, link: seen.link, probeMs }, offer, model, probeCall(offer, model, probe), deadline)
    return { modelId, outcome: 'served', firstTokenMs: seen.firstByteMs() }
  } catch (error) {
    return { modelId, outcome: seen.outcomeOf(error), firstTokenMs: null, ...seen.ticket() }
  }
}

/** bytes of a refusal */
const REFUSAL_BYTES_MAX = 8_192

/** A link that notes when the first byte of an answer came, and what a refusal said. */
function watched(link: NodeLink, clock: Clock) {
  let sentAt: number | null = null
  let firstByteMs: number | null = null
  let code: string | null = null
  const noteByte = () => (firstByteMs ??= clock() - (sentAt ?? clock()))
  const send: NodeLink['send'] = async (request) => {
    sentAt = clock()
    const response = await link.send(request)
    const { status, headers, body } = response
    if (status !== 200) {
      const said: unknown = await boundedJson(response, REFUSAL_BYTES_MAX, request.signal).catch(() => null)
      code = NodeErrorBody.safeParse(said).data?.error.code ?? (status === 429 ? 'busy' : null)
      // Read already; its status is enough for who reads it next.
      return new Response(null, { status: status >= 200 && status < 600 ? status : 502 })
    }
    if (!body) return response
    const noted = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        noteByte()
        controller.enqueue(chunk)
      },
    })
    return new Response(body.pipeThrough(noted), { status, headers })
  }
  return {
    link: { send },
    firstByteMs: () => firstByteMs,
    ticket: () => (code === 'bad_ticket' ? { hasRefusedTicket: true } : {}),
    outcomeOf(error: unknown): ProbeReport['outcome'] {
      const isAway = error instanceof LinkGone && !error.isLinked
      // Before it was asked, no node can have failed.
      if (sentAt === null || isAway || code === 'draining') return 'away'
      return code === 'busy' ? 'busy' : 'failed'
    },
  }
}
