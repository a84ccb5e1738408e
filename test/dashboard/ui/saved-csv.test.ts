// What a page has read and saves as a file for a spreadsheet: each cell stands where it was, and none is a formula.
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { faultsOf, HOSTILE_CELLS } from '../../support/hostile-cells.ts'

let saved: { name: string; contents: Blob } | null = null

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  vi.stubGlobal('window', { location: { origin: 'https://souk.test' } })
  const link = { href: '', download: '', click: () => undefined }
  vi.stubGlobal('document', { createElement: () => link })
  vi.spyOn(URL, 'createObjectURL').mockImplementation((contents) => {
    link.click = () => void (saved = { name: link.download, contents: contents as Blob }) // what a page saves is a Blob
    return 'blob:test'
  })
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

it('saves hostile cells as text, and what is not there as nothing', async () => {
  const { saveCsv } = await import('../../../gateway/dashboard/operator/csv.ts')
  const rows = HOSTILE_CELLS.map((reference, n) => ({ reference, usd: '-0.000000001', attempt: n, endedAt: null }))
  saveCsv('withdrawals.csv', ['usd', 'reference', 'attempt', 'endedAt'], rows)
  expect([saved?.name, saved?.contents.type]).toEqual(['withdrawals.csv', 'text/csv;charset=utf-8'])
  const text = (await saved?.contents.text()) ?? ''
  expect(faultsOf(text, [...HOSTILE_CELLS, '-0.000000001', '0', ''])).toEqual([])
  expect(text.split('\r\n')[0]).toBe('usd,reference,attempt,endedAt')
})
