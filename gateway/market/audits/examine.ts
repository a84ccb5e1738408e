// One examination (flow): an offer whose turn has come, and a node of another operator or an answer agreed on before, are asked the same, each at a time of its own traffic. When
// they differ, others are heard until it is known who is wrong. What was found is written down for every node that was asked; who is found out is suspended.
import { base64url } from '../../../protocol/canonical.ts'
import { costOf } from '../../../protocol/price.ts'
import { BPS_WHOLE, mulDown, nanos, type Nanos } from '../../../protocol/units.ts'
import type { Sanctions } from '../nodes/sanction-port.ts'
import type { CallShape, Model } from '../market-port.ts'
import type { AuditBook, AuditOutcome, AuditRow, Target } from './audit-book.ts'
import type { AuditAnswer } from './compare.ts'
import { suspensionReason, wrongSentence } from './audit-sentence.ts'
import { toleranceOf } from './audit-tensors.ts'
import { ask, type Asked, type AskNeeds } from './ask.ts'
import type { Canary, createCanaryBook } from './canary-book.ts'
import { canCompare, makeAudit, questionFor, type Audit } from './question.ts'
import { mustSuspend, type Finding } from './suspicion.ts'
import { judge, type Judged, type Voice } from './verdict.ts'
import type { Random } from './vocabulary.ts'

export interface ExamineNeeds extends AskNeeds {
  readonly book: AuditBook
  readonly canaries: ReturnType<typeof createCanaryBook>
  readonly sanctions: Sanctions
  readonly feeBps: number
  /** waits until a node would be called anyway, or a little; of the one that is due its turn has come */
  readonly turnOf: (target: Target) => Promise<void>
}

export interface Examination {
  readonly due: Target
  readonly model: Model
  readonly shapes: readonly CallShape[]
  /** offers of the same model by other operators, those that are due as well first */
  readonly others: readonly Target[]
  /** how many of `others` are due as well */
  readonly dueOthers: number
  readonly random: Random
}

export interface Examined {
  /** what the house came to owe */
  readonly costNanos: Nanos
  /** of the offer that was due, nats; null: it is not known to have answered */
  readonly suspicion: number | null
  readonly isSuspended: boolean
}

/** nodes heard after the first two, when these differ */
const WITNESSES_MAX = 2
/** of the examinations for which nobody else is due, those that ask what was agreed on before: the others make new ones */
const CANARY_SHARE = 0.7

interface Heard {
  readonly target: Target
  readonly asked: Asked
}

export async function examine(needs: ExamineNeeds, examination: Examination): Promise<Examined> {
  const { due, model, random } = examination
  const isAlone = examination.dueOthers === 0
  const known = isAlone && random() < CANARY_SHARE ? await knownFor(needs, examination) : null
  const audit = known?.audit ?? makeAudit(model, examination.shapes, due.offer, random)
  const others = audit ? examination.others.filter(({ offer }) => canCompare(audit, [due.offer, offer])) : []
  if (!audit || (!known && others.length === 0)) return NOTHING
  const pairId = known ? null : `pair_${base64url(needs.random(12))}`
  const askOne = async (target: Target): Promise<Heard> => {
    await needs.turnOf(target)
    if (known) await needs.canaries.use(known.id, target.offer.nodeId, needs.clock())
    const asked = await ask(needs, target.offer, model, questionFor(audit, model, target.offer))
    if (asked.answer !== null)
      await needs.book.record(rowOf(needs, { target, asked }, model, pairId, UNDECIDED), needs.clock())
    return { target, asked }
  }
  const partner = known ? [] : others.slice(0, 1)
  const heard = await Promise.all([due, ...partner].map(askOne))
  const witnesses = apart(others.slice(partner.length), heard).slice(0, WITNESSES_MAX)
  for (const witness of witnesses) {
    if (heard[0]?.asked.answer === null || !isOpen(verdicts(heard, known, model))) break
    heard.push(await askOne(witness))
  }
  return conclude(needs, examination, { audit, known, pairId, heard })
}

const NOTHING: Examined = { costNanos: nanos(0n), suspicion: null, isSuspended: false }

async function knownFor(needs: ExamineNeeds, { due, model }: Examination): Promise<Canary | null> {
  const known = await needs.canaries.unasked(model.digest, due.offer.operatorAccountId)
  return known && canCompare(known.audit, [due.offer]) ? known : null
}

/** One of each operator that was not heard yet: whoever owns ten nodes has one voice. */
function apart(others: readonly Target[], heard: readonly Heard[]): Target[] {
  const operators = new Set(heard.map(({ target }) => target.offer.operatorAccountId))
  return others.filter(({ offer }) => {
    if (operators.has(offer.operatorAccountId)) return false
    operators.add(offer.operatorAccountId)
    return true
  })
}

/** Null for who did not answer. */
function verdicts(heard: readonly Heard[], known: Canary | null, model: Model): (Judged | null)[] {
  const voices: { voice: Voice; at: number }[] = heard.flatMap(({ target, asked }, at) =>
    asked.answer === null ? [] : [{ at, voice: { operator: target.offer.operatorAccountId, answer: asked.answer } }],
  )
  const agreed = known ? [{ operator: null, answer: known.answer }] : []
  const judged = judge([...voices.map(({ voice }) => voice), ...agreed], toleranceOf(model.manifest))
  return heard.map((_, at) => judged[voices.findIndex((one) => one.at === at)] ?? null)
}

const isOpen = (judged: readonly (Judged | null)[]): boolean => judged.some((one) => one?.outcome === 'undecided')

interface Evidence {
  readonly audit: Audit
  readonly known: Canary | null
  readonly pairId: string | null
  readonly heard: readonly Heard[]
}

async function conclude(
  needs: ExamineNeeds,
  { due, model }: Examination,
  { audit, known, pairId, heard }: Evidence,
): Promise<Examined> {
  const judged = verdicts(heard, known, model)
  let costNanos = 0n
  let suspicion: number | null = null
  let isSuspended = false
  for (const [at, { target, asked }] of heard.entries()) {
    const found = findingOf(target, asked, judged[at] ?? null)
    const row = rowOf(needs, { target, asked }, model, pairId, found)
    const after = await needs.book.record(row, needs.clock())
    costNanos += row.costNanos
    const isOut =
      found.finding?.outcome === 'wrong' && mustSuspend(after) && (await suspend(needs, target, found.finding, after))
    if (target === due && asked.answer !== null) suspicion = after
    if (target === due) isSuspended = isOut
  }
  if (!known) await keep(needs, model, audit, heard, judged)
  return { costNanos: nanos(costNanos), suspicion, isSuspended }
}

/** What stands in the book: what is owed for a right answer, and for one that nobody could judge. */
function rowOf(
  needs: ExamineNeeds,
  { target, asked }: Heard,
  model: Model,
  pairId: string | null,
  found: Found,
): AuditRow {
  const { id, at } = asked
  const isOwed = asked.answer !== null && (found.outcome === 'right' || found.outcome === 'undecided')
  const bill = isOwed ? billOf(needs, target, asked, model) : { costNanos: nanos(0n), billed: null }
  return { id, pairId, nodeId: target.offer.nodeId, modelId: model.id, at, ...bill, ...found }
}

interface Found {
  readonly outcome: AuditOutcome
  readonly detail: string | null
  readonly finding: Finding | null
}

function findingOf({ offer }: Target, asked: Asked, judged: Judged | null): Found {
  if (asked.answer === null) return { outcome: 'unanswered', detail: asked.why, finding: null }
  const { assurance } = offer
  // A lie about itself needs no second voice.
  if (asked.isReceiptWrong) return wrong({ outcome: 'wrong', what: 'receipt', assurance, weight: 1 })
  if (!judged || judged.outcome === 'undecided') return UNDECIDED
  const { what, weight } = judged.likeness
  if (judged.outcome === 'wrong') return wrong({ outcome: 'wrong', what, assurance, weight })
  return { outcome: 'right', detail: null, finding: { outcome: 'right', what, assurance, weight } }
}

const UNDECIDED: Found = { outcome: 'undecided', detail: null, finding: null }

const wrong = (finding: Finding): Found => ({ outcome: 'wrong', detail: wrongSentence(finding.what), finding })

/** The operator's share of what a caller would have paid: the house pays no fee to itself, and no royalty for a question of its own. */
function billOf(needs: ExamineNeeds, { offer }: Target, { units, endedAt }: Answered, model: Model) {
  const chargedNanos = costOf(units, offer.price)
  const fee = mulDown(chargedNanos, BigInt(needs.feeBps), BPS_WHOLE)
  const royalty = mulDown(chargedNanos, BigInt(model.royaltyBps), BPS_WHOLE)
  const { inputTokens, outputTokens, tensorBytes = 0 } = units
  const counts = {
    inputTokens: Number(inputTokens),
    outputTokens: Number(outputTokens),
    tensorBytes: Number(tensorBytes),
  }
  return { costNanos: nanos(chargedNanos - fee - royalty), billed: { chargedNanos, ...counts, endedAt } }
}
type Answered = Extract<Asked, { readonly answer: AuditAnswer }>

async function suspend(needs: ExamineNeeds, { offer }: Target, finding: Finding, suspicion: number): Promise<boolean> {
  return needs.sanctions.suspend(offer.nodeId, {
    by: 'audit',
    reason: suspensionReason(offer.modelId, finding.what),
    evidence: { modelId: offer.modelId, what: finding.what, assurance: finding.assurance, suspicionNats: suspicion },
  })
}

/** What two operators' nodes answered to the letter is worth asking others. */
async function keep(
  needs: ExamineNeeds,
  model: Model,
  audit: Audit,
  heard: readonly Heard[],
  judged: readonly (Judged | null)[],
): Promise<void> {
  const agreed = heard.filter((_, at) => {
    const one = judged[at]
    return one?.outcome === 'right' && one.likeness.weight === 1
  })
  const answer = agreed[0]?.asked.answer
  const isPinned = agreed.every(({ target }) => target.offer.assurance === 'pinned')
  if (!answer || agreed.length < 2 || !isPinned) return
  const path = audit.kind === 'words' ? audit.request.path : 'tensors'
  const id = `canary_${base64url(needs.random(12))}`
  const asked = heard.map(({ target }) => target.offer.nodeId)
  await needs.canaries.keep({ id, audit, answer }, model.digest, path, asked, needs.clock())
}
