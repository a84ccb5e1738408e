import { describe, expect, it } from 'vitest'
import { bookAt, bookIndexOf } from '../../../gateway/core/book-index.ts'
import { systemRandom } from '../../../gateway/core/clock.ts'
import { newAccountId, type AccountId } from '../../../protocol/units.ts'

describe('the book of a new account', () => {
  it('is always the same for the same id and number of books', () => {
    // Worked values: a change of the hash would send the same id elsewhere on a retry.
    expect([1, 2, 3].map((books) => bookIndexOf('00000000000payer' as AccountId, books))).toEqual([0, 0, 2])
    expect([1, 2, 3].map((books) => bookIndexOf('0000000000perat0' as AccountId, books))).toEqual([0, 1, 1])
  })

  it('fills every book about evenly', () => {
    const counts = [0, 0, 0]
    for (let i = 0; i < 3_000; i++) {
      const index = bookIndexOf(newAccountId(systemRandom), 3)
      counts[index] = (counts[index] ?? 0) + 1
    }
    for (const count of counts) expect(count).toBeGreaterThan(800)
  })

  it.each([0, -1, 1.5, Number.NaN])('refuses %s books', (books) => {
    expect(() => bookIndexOf('00000000000payer' as AccountId, books)).toThrow(RangeError)
  })
})

it('never gives another book for an index that is not there', () => {
  expect(bookAt(['a', 'b'], 1)).toBe('b')
  expect(() => bookAt(['a', 'b'], 2)).toThrow('BOOK_2')
  expect(() => bookAt(['a', 'b'], -1)).toThrow('BOOK_-1')
})
