import { describe, expect, it } from 'vitest'
import { payoutCsv, payoutFile, payoutJson, sumOf } from '../../../../gateway/ledger/payouts/payout-file.ts'
import { nanos } from '../../../../protocol/units.ts'

const row = (id: string, amount: bigint) => ({ id, address: '0xA1', amountNanos: nanos(amount) })

describe('a pay-out file', () => {
  it('stands by id, with its sum, whatever order the rows came in', () => {
    const rows = [row('b', 2_000_000_000n), row('a', 1_500_000_000n)]
    const file = payoutFile('po_1', rows)
    expect(payoutFile('po_1', rows.reverse())).toEqual(file)
    expect(payoutCsv(file)).toBe(
      'batch,id,address,usd\r\npo_1,a,0xA1,1.500000000\r\npo_1,b,0xA1,2.000000000\r\npo_1,total,,3.500000000\r\n',
    )
    expect(JSON.parse(payoutJson(file))).toEqual({
      batchId: 'po_1',
      rows: [
        { id: 'a', address: '0xA1', usd: '1.500000000' },
        { id: 'b', address: '0xA1', usd: '2.000000000' },
      ],
      usd: '3.500000000',
    })
    expect(sumOf([])).toBe(0n)
  })

  it.each([
    ['plain', 'abc:withdrawal:1', 'abc:withdrawal:1'],
    ['a formula', '=HYPERLINK("x")', `"'=HYPERLINK(""x"")"`],
    ['a sum', '+1', `'+1`],
    ['a minus', '-1-1', `'-1-1`],
    ['a function', '@SUM(1)', `'@SUM(1)`],
    ['a formula behind a tab', '\t=1', `'\t=1`],
    ['a formula behind a blank', ' =1', `' =1`],
    ['a line break', 'a\r\n=1', '"a\r\n=1"'],
    ['a comma', 'a,b', '"a,b"'],
    ['a quote', 'a"b', '"a""b"'],
    ['an equals sign inside', 'a=b', 'a=b'],
  ])('holds %s as text', (_, text, cell) => {
    expect(payoutCsv(payoutFile('po_1', [row(text, 1n)]))).toBe(
      `batch,id,address,usd\r\npo_1,${cell},0xA1,0.000000001\r\npo_1,total,,0.000000001\r\n`,
    )
  })
})
