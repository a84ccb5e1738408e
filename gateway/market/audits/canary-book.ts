// Answers that two operators agreed on, in the registry, to be asked again of others: of each operator once, since whoever was asked knows the answer. They are made up by the house;
// no caller's word is in them. Bounded in size, number and age.
import { and, desc, eq, lt, notInArray, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { z } from 'zod'
import { canaries, canaryUses } from '../../../db/market-schema.ts'
import { nodes } from '../../../db/schema.ts'
import { base64url, fromBase64url } from '../../../protocol/canonical.ts'
import { decodeAnswer, encodeAnswer } from '../../../protocol/oip-canonical.ts'
import { FinishReason } from '../../../protocol/openai.ts'
import type { AccountId, Instant, NodeId } from '../../../protocol/units.ts'
import type { AuditAnswer } from './compare.ts'
import type { Audit } from './question.ts'

export interface Canary {
  readonly id: string
  readonly audit: Audit
  readonly answer: AuditAnswer
}

const CANARIES = {
  /** characters of a request and of its answer: a row is read by a cron every minute */
  charactersMax: 65_536,
  /** of one model */
  keptMax: 48,
  /** ms */
  keptMs: 14 * 86_400_000,
} as const

export function createCanaryBook(database: D1Database) {
  const db = drizzle(database)
  return {
    /** One that no node of this operator was asked. */
    async unasked(digest: string, operator: AccountId): Promise<Canary | null> {
      const asked = db
        .select({ id: canaryUses.canaryId })
        .from(canaryUses)
        .innerJoin(nodes, eq(nodes.id, canaryUses.nodeId))
        .where(eq(nodes.operatorAccountId, operator))
      const row = await db
        .select()
        .from(canaries)
        .where(and(eq(canaries.digest, digest), notInArray(canaries.id, asked)))
        .orderBy(sql`random()`)
        .limit(1)
        .get()
      const audit = row && auditOf(row.request)
      const answer = row && answerOf(row.answer)
      return row && audit && answer ? { id: row.id, audit, answer } : null
    },

    /** Before it is asked: a node that does not answer has seen it all the same. */
    async use(canaryId: string, nodeId: NodeId, now: Instant): Promise<void> {
      await db.insert(canaryUses).values({ canaryId, nodeId, at: now }).onConflictDoNothing()
    },

    async keep(canary: Canary, digest: string, path: string, askedOf: readonly NodeId[], now: Instant): Promise<void> {
      const { id } = canary
      const request = requestText(canary.audit)
      const answer = answerText(canary.answer)
      if (request.length > CANARIES.charactersMax || answer.length > CANARIES.charactersMax) return
      const newest = db
        .select({ id: canaries.id })
        .from(canaries)
        .where(eq(canaries.digest, digest))
        .orderBy(desc(canaries.madeAt))
        .limit(CANARIES.keptMax)
      await db.batch([
        db.insert(canaries).values({ id, digest, path, request, answer, agreed: askedOf.length, madeAt: now }),
        ...askedOf.map((nodeId) =>
          db.insert(canaryUses).values({ canaryId: id, nodeId, at: now }).onConflictDoNothing(),
        ),
        db.delete(canaries).where(and(eq(canaries.digest, digest), notInArray(canaries.id, newest))),
        db.delete(canaries).where(lt(canaries.madeAt, now - CANARIES.keptMs)),
        db.delete(canaryUses).where(lt(canaryUses.at, now - 2 * CANARIES.keptMs)),
      ])
    },
  }
}

const Texts = z.array(z.string())
const Words = z.object({
  path: z.string(),
  content: z.union([
    z.object({ messages: z.array(z.object({ role: z.string(), content: z.string() })) }),
    z.object({ prompt: z.union([z.string(), Texts]) }),
    z.object({ input: Texts }),
  ]),
  maxTokens: z.number().nullable(),
  sampling: z.record(z.string(), z.unknown()),
  seed: z.number(),
})
const Tensors = z.object({ body: z.string(), tensorBytesMax: z.number(), inputBytes: z.number() })
const Request = z.union([z.object({ words: Words }), z.object({ tensors: Tensors })])
const Counts = z.object({ inputTokens: z.number(), outputTokens: z.number() }).nullable()
const Answer = z.union([
  z.object({
    kind: z.literal('text'),
    choices: z.array(z.object({ text: z.string(), finish: FinishReason })),
    counts: Counts,
  }),
  z.object({ kind: z.literal('vectors'), vectors: z.array(z.array(z.number())), counts: Counts }),
  z.object({ kind: z.literal('tensors'), encoded: z.string() }),
])

function requestText(audit: Audit): string {
  if (audit.kind === 'words') return JSON.stringify({ words: audit.request })
  return JSON.stringify({ tensors: { ...audit.request, body: base64url(audit.request.body) } })
}

/** What another version wrote and this one cannot read is nothing. */
function auditOf(text: string): Audit | null {
  const { data } = Request.safeParse(JSON.parse(text))
  if (!data) return null
  if ('words' in data) return { kind: 'words', request: data.words }
  return { kind: 'tensors', request: { ...data.tensors, body: fromBase64url(data.tensors.body) } }
}

function answerText(answer: AuditAnswer): string {
  if (answer.kind !== 'tensors') return JSON.stringify(answer)
  const encoded = base64url(encodeAnswer({ modelName: '', outputs: answer.outputs }, null))
  return JSON.stringify({ kind: 'tensors', encoded })
}

function answerOf(text: string): AuditAnswer | null {
  const { data } = Answer.safeParse(JSON.parse(text))
  if (!data || data.kind !== 'tensors') return data ?? null
  const decoded = decodeAnswer(fromBase64url(data.encoded))
  return decoded.ok ? { kind: 'tensors', outputs: decoded.value.outputs } : null
}
