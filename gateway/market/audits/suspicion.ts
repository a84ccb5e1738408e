// How much audits suspect an offer (rule). Every finding moves a sum of log-likelihood ratios, in nats, between "honest" and "cheats on every call"; it never falls below
// nothing, so that a long good past buys no licence (CUSUM, Page 1954). The sum lowers trust first and suspends only at its end, which no single finding reaches. What the
// rates mean, and what follows from them, stands in the room's README and is simulated by its tests.
import type { Assurance } from '../../../protocol/node.ts'

export const SUSPICION = {
  /** share of decided audits in which an honest node is found wrong, at most: other processors round differently, and text then takes another turn */
  honestWrong: {
    pinned: 0.02,
    /** another engine, another rounding of weights: its text often goes another way */
    declaredText: 0.35,
    declaredOther: 0.05,
  },
  /** share in which a node that gives another model's, a kept or a made-up answer is found wrong, at least */
  cheatWrong: 0.9,
  /** nats at which a node is suspended: five findings in a row of a pinned offer; an honest one gets there once in about e^17 tries */
  suspendNats: 17,
  /** nats up to which an offer is trusted wholly: less than one finding against a pinned offer is worth */
  innocentNats: 2,
  /** nats that text of a declared offer alone can reach: it takes away trust, and suspends nobody */
  declaredTextNats: 16.9,
  /** nats of an offer that was suspended and let in again: it is looked at closely */
  paroleNats: 6,
} as const

/** What was compared. `usage`: the node's own count of the same answer; `receipt`: its signature under what it sent */
export type Compared = 'text' | 'vectors' | 'tensors' | 'usage' | 'receipt'

export interface Finding {
  readonly outcome: 'right' | 'wrong'
  readonly what: Compared
  readonly assurance: Assurance
  /** 0…1: how much this one says. Of right answers: little when they are short. Of wrong ones: little when they part late */
  readonly weight: number
}

/** @example a pinned offer found wrong: ln(0.9 ÷ 0.02) // 3.81; found right: ln(0.1 ÷ 0.98) // -2.28 */
export function natsOf({ outcome, what, assurance, weight }: Finding): number {
  const { pinned, declaredText, declaredOther } = SUSPICION.honestWrong
  const honest = assurance === 'pinned' ? pinned : what === 'text' ? declaredText : declaredOther
  const cheat = SUSPICION.cheatWrong
  const nats = outcome === 'wrong' ? Math.log(cheat / honest) : Math.log((1 - cheat) / (1 - honest))
  return nats * weight
}

/** The highest sum that findings of this kind can lead to. */
export const ceilingOf = ({ what, assurance }: Pick<Finding, 'what' | 'assurance'>): number =>
  assurance === 'declared' && what === 'text' ? SUSPICION.declaredTextNats : 2 * SUSPICION.suspendNats

/** What an offer begins with, of what its last audit left: who was suspended and is there again was let in again. */
export const carried = (nats: number): number => (nats >= SUSPICION.suspendNats ? SUSPICION.paroleNats : nats)

export function afterFinding(before: number, finding: Finding): number {
  const start = carried(before)
  // A ceiling stops a rise, and takes nothing away from what other findings had led to.
  return Math.max(0, Math.min(start + natsOf(finding), Math.max(start, ceilingOf(finding))))
}

export const mustSuspend = (nats: number): boolean => nats >= SUSPICION.suspendNats

/** 0…1, what the choice multiplies an offer's weight by. @example 2 nats // 1; 9.5 // 0.5; 17 // 0 */
export function trustOf(nats: number): number {
  const { innocentNats, suspendNats } = SUSPICION
  return Math.min(1, Math.max(0, (suspendNats - nats) / (suspendNats - innocentNats)))
}
