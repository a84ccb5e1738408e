// What a saved log says: acts with what came of them, and the hash of entries that were written before outcomes had their own.
import { describe, expect, it } from 'vitest'
import { adminActs, INTENDED, OUTCOME, outcomeTarget } from '../../protocol/admin-acts.ts'
import { ADMIN_LOG_START, adminLogHash } from '../../protocol/admin-log.ts'
import type { AdminLogEntry } from '../../protocol/parameters.ts'

const anEntry = (seq: number, over: Partial<AdminLogEntry> = {}): AdminLogEntry => ({
  ...{ seq, at: '2026-01-01T00:00:00.000Z', by: '0xAA', accountId: 'a', action: 'POST /api/admin/grants' },
  ...{ target: { id: 'x' }, body: '{}', status: INTENDED, requestId: 'req', prevHash: ADMIN_LOG_START },
  ...{ hash: '', signature: '', ...over },
})
const outcome = (seq: number, of: number, status: number, code: string | null = null) =>
  anEntry(seq, { action: OUTCOME, target: outcomeTarget(of, code), body: '', status })

const said = (entries: readonly AdminLogEntry[]) =>
  adminActs(entries).map(({ entry, status, code }) => [entry.seq, status, code])

describe('acts', () => {
  it('are their entry with what came of it, however many were under way at once', () => {
    const entries = [anEntry(1), anEntry(2), outcome(3, 2, 409, 'changed_meanwhile'), anEntry(4), outcome(5, 1, 200)]
    const acts = [
      [1, 200, null],
      [2, 409, 'changed_meanwhile'],
      [4, null, null],
    ]
    expect(said(entries)).toEqual(acts)
    expect(said(entries.toReversed())).toEqual(acts.toReversed())
  })

  it('of before outcomes had entries say theirs themselves', () => {
    expect(said([anEntry(1, { status: 200 }), anEntry(2, { status: 409 })])).toEqual([
      [1, 200, null],
      [2, 409, null],
    ])
  })

  it('that are older than what was read leave their outcome without a line', () => {
    expect(said([outcome(9, 8, 200)])).toEqual([])
  })
})

it('hashes an entry as it always did', () => {
  expect(adminLogHash(anEntry(1, { status: 200 }))).toBe(
    '8b3ce14f90029d7906b1112b49a431eea349a0fb670b4600c188a908a1c02810',
  )
})
