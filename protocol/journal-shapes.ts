// What a line of each kind looks like: which legs it may have, who is on the other side, what it is about. Pure, one line at a time; what
// needs the lines before it stands in journal-audit.ts. A fault is one sentence.
import { sumLegs, type JournalLine, type LineKind } from './journal.ts'
import { partsFault } from './journal-parts.ts'
import { HOUSE, isCallId, isHouse, nanos, type AccountId } from './units.ts'

type About = 'call' | 'grant' | 'correction' | 'credit' | 'withdrawal' | 'note' | 'receipt'
const ABOUTS: readonly About[] = ['call', 'grant', 'correction', 'credit', 'withdrawal', 'note', 'receipt']

interface Shape {
  /** a line is about exactly one of these */
  readonly about: readonly About[]
  /** the other side, for what moves between the house and the account */
  readonly house?: AccountId
  /** which way it moves, seen from the account */
  readonly moves?: 'in' | 'out'
  /** nothing may move although something was wanted */
  readonly mayBeNothing?: true
}

const SHAPES: Readonly<Record<LineKind, Shape>> = {
  call: { about: ['call'] },
  grant: { about: ['grant'], house: HOUSE.grants, moves: 'in' },
  code: { about: ['grant'], house: HOUSE.grants, moves: 'in' },
  faucet: { about: ['grant'], house: HOUSE.grants, moves: 'in' },
  // With a correction: a chargeback that was decided for the account.
  topup: { about: ['grant', 'correction'], house: HOUSE.payments, moves: 'in', mayBeNothing: true },
  audit: { about: ['grant'], house: HOUSE.audits, moves: 'in', mayBeNothing: true },
  credit: { about: ['credit'] },
  refund: { about: ['correction'], house: HOUSE.refunds, moves: 'in' },
  clawback: { about: ['correction'], house: HOUSE.refunds, moves: 'out', mayBeNothing: true },
  chargeback: { about: ['correction'], house: HOUSE.payments, moves: 'out', mayBeNothing: true },
  withdrawal: { about: ['withdrawal'], house: HOUSE.payouts, moves: 'out' },
  withdrawal_return: { about: ['correction'], house: HOUSE.payouts, moves: 'in' },
  freeze: { about: ['note'] },
  unfreeze: { about: ['note'] },
  receipt: { about: ['receipt'] },
}

/** Null: the line is what its kind says. */
export function shapeFault(line: JournalLine): string | null {
  const shape = SHAPES[line.kind]
  const abouts = ABOUTS.filter((about) => line[about] !== undefined)
  const [about] = abouts
  if (abouts.length !== 1 || about === undefined || !shape.about.includes(about))
    return `a line of kind ${line.kind} is about ${shape.about.join(' or ')}, and nothing else`
  if (line.legs.some(({ amountNanos }) => amountNanos === 0n)) return 'a leg moves nothing'
  if (sumLegs(line.legs) !== 0n) return 'its legs do not sum to zero'
  if (line.kind === 'call') return callFault(line)
  if (line.kind === 'credit') return creditFault(line)
  return shape.house === undefined ? noLegsFault(line) : transferFault(line, shape)
}

const noLegsFault = ({ legs }: JournalLine) => (legs.length === 0 ? null : 'its kind moves nothing, but it has legs')

function transferFault({ account, legs, deltaNanos, correction, kind }: JournalLine, shape: Shape): string | null {
  if (correction && correction.owedNanos < 0n) return 'what is owed is below nothing'
  if (legs.length === 0) return shape.mayBeNothing ? null : `a ${kind} moves more than nothing`
  const own = legs.find(({ party }) => party === account)
  const other = legs.find(({ party }) => party === shape.house)
  if (legs.length !== 2 || !own || !other || other.role !== 'house' || own.role === 'house')
    return `a ${kind} moves between ${shape.house ?? 'the house'} and the account, and nobody else`
  if (own.vestsAt !== undefined || other.vestsAt !== undefined) return `a ${kind} does not vest`
  if (own.node !== undefined || other.node !== undefined) return `no node earns by a ${kind}`
  const isRightWay = shape.moves === 'in' ? deltaNanos > 0n : deltaNanos < 0n
  return isRightWay ? null : `a ${kind} moves money the other way`
}

const HASH = /^[0-9a-f]{64}$/

function callFault({ account, legs, call, transferId }: JournalLine): string | null {
  if (!call || !isCallId(transferId)) return 'its transfer id names no call'
  for (const hash of [call.receiptHash, call.ticketHash])
    if (hash !== null && !HASH.test(hash)) return 'a hash of a receipt or ticket is no SHA-256'
  if ((call.outcome === 'complete') !== (call.errorCode === null)) return 'its outcome and its error code contradict'
  const charge = chargeNanosOf({ legs })
  if (charge > call.holdNanos) return 'the charge is above what was held'
  if (call.holdNanos < 0n) return 'what was held is below nothing'
  const named = legs.flatMap(({ node }) => node ?? [])
  const fault = call.parts && partsFault(call.parts, { ...call, chargeNanos: charge }, named)
  if (fault) return fault
  if (legs.length === 0) return null
  if (call.outcome === 'failed') return 'a failed call is charged'
  const [payer, ...otherPayers] = legs.filter(({ role }) => role === 'payer')
  if (payer?.party !== account || payer.amountNanos >= 0n || otherPayers.length > 0)
    return 'a call is paid by its own account, in one leg'
  for (const { party, role, amountNanos, vestsAt, node } of legs) {
    // Either the call's own node earned all of it, or each leg says whose it is.
    if ((node !== undefined) !== (role === 'operator' && call.parts !== undefined))
      return 'its legs name the wrong nodes'
    if (role === 'payer') continue
    if (amountNanos <= 0n) return 'somebody beside the caller pays'
    const isHouseLeg = role === 'house'
    if (isHouseLeg ? party !== HOUSE.fees : isHouse(party) || role === 'receiver')
      return 'a share of the charge goes to a wrong party'
    if (vestsAt !== undefined && role !== 'operator') return 'only what operators earn vests'
  }
  return null
}

/** What the payer of these legs pays: 0 without legs. */
export const chargeNanosOf = ({ legs }: Pick<JournalLine, 'legs'>) =>
  nanos(legs.reduce((sum, { role, amountNanos }) => (role === 'payer' ? sum - amountNanos : sum), 0n))

function creditFault({ account, legs, credit, transferId }: JournalLine): string | null {
  if (!credit || legs.length > 0) return 'a credit has no legs of its own: they stand in the payer’s journal'
  const { payer, fromSeq, toSeq, sumNanos, operatorNanos, authorNanos, feesNanos, vesting } = credit
  if (transferId !== `credit:${payer}:${fromSeq}-${toSeq}`) return 'its transfer id names another credit'
  if (payer === account || isHouse(payer)) return 'this payer credits nobody'
  if (fromSeq < 1 || toSeq < fromSeq) return 'its range of lines is none'
  if (sumNanos <= 0n || operatorNanos < 0n || authorNanos < 0n || feesNanos < 0n) return 'a share is below nothing'
  if (operatorNanos + authorNanos !== sumNanos) return 'what was earned as operator and as author is not its sum'
  const later = vesting.reduce((sum, { amountNanos }) => sum + amountNanos, 0n)
  const isOrdered = vesting.every(({ until }, index) => index === 0 || until > (vesting[index - 1]?.until ?? 0))
  if (!isOrdered || vesting.some(({ amountNanos }) => amountNanos <= 0n)) return 'its vesting parts are in disorder'
  return later > operatorNanos ? 'more vests than was earned as operator' : null
}
