// The proof of one call, checked where its payer sits: the gateway's order (ticket), the node's statement (receipt), the line of the journal and the
// charge are held against each other. Nothing the gateway says about itself counts here beside its published keys. Threat: a record made up afterwards.
import { sha256Hex } from '../../../../protocol/canonical.ts'
import type { Generation } from '../../../../protocol/generation.ts'
import type { Jwks } from '../../../../protocol/journal-export.ts'
import { hashLine, readLine, type JournalLine } from '../../../../protocol/journal.ts'
import { openKeys } from '../../../../protocol/journal-proofs.ts'
import { chargeNanosOf } from '../../../../protocol/journal-shapes.ts'
import { importPublicKey } from '../../../../protocol/keys.ts'
import type { JournalEntry } from '../../../../protocol/ledger.ts'
import { costOf } from '../../../../protocol/price.ts'
import { isForTicket, verifyReceipt, type Receipt } from '../../../../protocol/receipt.ts'
import { readTicket, verifyOldTicket, type Ticket } from '../../../../protocol/ticket.ts'
import { bytes, fromUsd, nanos, tokens, toUsd } from '../../../../protocol/units.ts'
import { usd } from '../../ui/usd.ts'
import { ABOUT, open, right, wrong, type Check } from './check.ts'

export interface Evidence {
  readonly call: Generation
  /** what the journal says of this call */
  readonly lines: readonly JournalEntry[]
  /** the gateway's, as it publishes them */
  readonly jwks: Jwks
}

export interface Examined {
  readonly checks: readonly Check[]
  /** claims whose signatures hold; null: there are none */
  readonly ticket: Ticket | null
  readonly receipt: Receipt | null
}

/** Never throws for what an answer is: everything of it may be forged. */
export async function examine({ call, lines, jwks }: Evidence): Promise<Examined> {
  const order = await checkOrder(call, jwks)
  const statement = await checkReceipt(call, order.ticket)
  const checks = [
    order.check,
    statement.check,
    ...(order.ticket && statement.receipt ? [checkFit(call, order.ticket, statement.receipt)] : []),
    ...(statement.receipt ? [checkUnits(call, statement.receipt)] : []),
    ...(order.ticket ? [checkPrice(call, order.ticket)] : []),
    checkSplit(call),
    checkJournal(call, lines),
  ]
  return { checks, ticket: order.ticket, receipt: statement.receipt }
}

async function checkOrder(call: Generation, jwks: Jwks): Promise<{ check: Check; ticket: Ticket | null }> {
  const about = ABOUT.order
  if (call.ticket === null) return { check: open(about, `None is kept. ${whyNone(call)}`), ticket: null }
  const keys = await openKeys([jwks]).catch(() => null)
  if (!keys)
    return { check: wrong(about, 'The keys that the gateway publishes are not named by their contents.'), ticket: null }
  const verified = await verifyOldTicket(call.ticket, keys.gateway)
  if (verified.ok)
    return { check: right(about, 'Signed by a key that this gateway publishes.'), ticket: verified.value }
  const kid = kidOf(call.ticket)
  if (kid !== null && readTicket(call.ticket) && !jwks.keys.some((key) => key.kid === kid))
    return { check: open(about, `It names the key ${kid}, which this gateway no longer publishes.`), ticket: null }
  return { check: wrong(about, 'Its signature is not by any key that this gateway publishes.'), ticket: null }
}

async function checkReceipt(
  call: Generation,
  ticket: Ticket | null,
): Promise<{ check: Check; receipt: Receipt | null }> {
  const about = ABOUT.receipt
  if (call.receipt === null) return { check: open(about, `There is none. ${whyNone(call)}`), receipt: null }
  if (!ticket)
    return { check: open(about, 'Without the order nobody knows whose signature it must have.'), receipt: null }
  const key = await importPublicKey(ticket.aud).catch(() => null)
  const verified = key && (await verifyReceipt(call.receipt, key))
  if (!verified?.ok)
    return { check: wrong(about, 'It is not signed by the key of the node that was asked.'), receipt: null }
  return {
    check: right(about, `Signed by the key of the node that was asked (Ed25519, ${ticket.aud}).`),
    receipt: verified.value,
  }
}

function whyNone({ purged, outcome }: Generation): string {
  if (purged) return 'What proves a call is kept for a time only, and this time is over.'
  return outcome === 'complete'
    ? 'The node has not handed it in yet; it may still come.'
    : 'Calls that did not end well often have none.'
}

function checkFit(call: Generation, ticket: Ticket, receipt: Receipt): Check {
  const about = ABOUT.fit
  if (ticket.callId !== call.id) return wrong(about, 'The order is for another call.')
  if (!isForTicket(receipt, ticket)) return wrong(about, 'The receipt answers another order.')
  if (ticket.model !== call.model) return wrong(about, `The order is for the model ${ticket.model}.`)
  if (call.salt !== null && call.salt !== ticket.salt) return wrong(about, 'The salt is not that of the order.')
  return right(about, `Both name this call, attempt ${ticket.attempt + 1}, the model and its files.`)
}

/** Of several nodes that are paid, the receipt is that of the last. */
function chargedOf({ usage, parts, provider }: Generation) {
  const own = parts?.findLast(({ nodeId }) => nodeId === provider)
  return own ?? { inputTokens: usage.prompt_tokens, outputTokens: usage.completion_tokens }
}

function checkUnits(call: Generation, receipt: Receipt): Check {
  const about = ABOUT.units
  const charged = chargedOf(call)
  const tensorBytes = call.usage.tensor_bytes ?? 0
  const isMore =
    charged.inputTokens > receipt.inputTokens ||
    charged.outputTokens > receipt.outputTokens ||
    tensorBytes > (receipt.tensorBytes ?? 0)
  const counted =
    tensorBytes > 0 ? `${tensorBytes} bytes of tensors` : `${charged.inputTokens} + ${charged.outputTokens} tokens`
  const said =
    tensorBytes > 0 ? `${receipt.tensorBytes ?? 0} bytes` : `${receipt.inputTokens} + ${receipt.outputTokens}`
  if (!isMore) return right(about, `Charged are ${counted}; the node states ${said}.`)
  const words = `Charged are ${counted}, more than the ${said} that the node states.`
  // Where an answer was cut, the gateway counts what it received, and the node what it had sent by then.
  return call.outcome === 'complete' ? wrong(about, words) : open(about, words)
}

function checkPrice(call: Generation, { prices }: Ticket): Check {
  const about = ABOUT.price
  const several = (call.parts?.length ?? 0) > 1
  if (several) return open(about, 'Several nodes are paid, each by its own order; only the last order is kept.')
  const { prompt_tokens, completion_tokens, tensor_bytes, cost } = call.usage
  const units = {
    inputTokens: tokens(prompt_tokens),
    outputTokens: tokens(completion_tokens),
    ...(tensor_bytes === undefined ? {} : { tensorBytes: bytes(tensor_bytes) }),
  }
  const due = costOf(units, {
    inputPerMillion: nanos(BigInt(prices.input)),
    outputPerMillion: nanos(BigInt(prices.output)),
    cachedInputPerMillion: nanos(BigInt(prices.cachedInput)),
    bytesPerMillion: nanos(BigInt(prices.bytes)),
    perCall: nanos(BigInt(prices.perCall)),
  })
  const charge = fromUsd(cost)
  if (charge === due) return right(about, `${usd(cost)} is what these units cost at the prices of the order.`)
  const full = usd(toUsd(due))
  if (charge < due)
    return right(about, `${usd(cost)} is less than the ${full} that these units cost at the prices of the order.`)
  return wrong(about, `${usd(cost)} was charged; at the prices of the order these units cost ${full}.`)
}

function checkSplit({ legs, usage }: Generation): Check {
  const about = ABOUT.split
  const amounts = legs.map(({ role, amount }) => ({ role, amount: fromUsd(amount) }))
  const sum = amounts.reduce((all, { amount }) => all + amount, 0n)
  const paid = amounts.reduce((all, { role, amount }) => (role === 'payer' ? all - amount : all), 0n)
  if (sum !== 0n) return wrong(about, 'What was paid and what was received are not the same sum.')
  if (paid !== fromUsd(usage.cost)) return wrong(about, 'What was taken from you is not the charge.')
  return right(
    about,
    legs.length === 0 ? 'Nothing was charged and nobody was paid.' : 'What others received adds up to what you paid.',
  )
}

function checkJournal(call: Generation, lines: readonly JournalEntry[]): Check {
  const about = ABOUT.journal
  if (lines.length === 0) return open(about, 'Its line is not in the book yet.')
  const read = lines.map((entry) => ({ entry, parsed: readLine(entry.body) }))
  const broken = read.find(({ entry, parsed }) => !parsed.ok || entry.hash !== hashLine(entry.prevHash, entry.body))
  if (broken) return wrong(about, `The hash of line ${broken.entry.seq} is not that of its text.`)
  const all = read.flatMap(({ parsed }) => (parsed.ok ? [parsed.line] : []))
  const own = all.find(({ kind, transferId }) => kind === 'call' && transferId === call.id)
  if (!own?.call) return wrong(about, 'There is no line of this call.')
  const fault = lineFault(call, own, all)
  if (fault !== null) return wrong(about, fault)
  return right(about, `Line ${own.seq} has the hash of its text, and names this charge, this order and this receipt.`)
}

function lineFault(call: Generation, own: JournalLine, all: readonly JournalLine[]): string | null {
  const late = all.find(({ receipt }) => receipt?.callId === call.id)
  const receiptHash = own.call?.receiptHash ?? late?.receipt?.receiptHash ?? null
  if (call.receipt !== null && sha256Hex(call.receipt) !== receiptHash) return `Line ${own.seq} names another receipt.`
  if (call.ticket !== null && sha256Hex(call.ticket) !== own.call?.ticketHash)
    return `Line ${own.seq} names another order.`
  if (chargeNanosOf(own) !== fromUsd(call.usage.cost)) return `Line ${own.seq} names another charge.`
  return null
}

function kidOf(jws: string): string | null {
  try {
    const header: unknown = JSON.parse(atob((jws.split('.')[0] ?? '').replaceAll('-', '+').replaceAll('_', '/')))
    return typeof header === 'object' && header !== null && 'kid' in header ? String(header.kid) : null
  } catch {
    return null
  }
}
