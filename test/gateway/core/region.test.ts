import { expect, it } from 'vitest'
import { regionOf } from '../../../gateway/core/region.ts'

it.each([
  ['a continent', { continent: 'EU' }, 'EU'],
  ['nothing', undefined, null],
  ['no continent', { colo: 'FRA' }, null],
  ['Tor, which Cloudflare names T1 elsewhere', { continent: 'T1' }, null],
  ['small letters', { continent: 'eu' }, null],
])('of a request that says %s', (_, cf, region) => {
  expect(regionOf(new Request('https://souk.example.com', cf === undefined ? {} : { cf }))).toBe(region)
})
