// Continents by the two letters that the gateway says, with their names and where a number stands on a map.
import type { Continent } from '../../../protocol/routing.ts'

export interface Place {
  readonly name: string
  /** longitude and latitude, degrees */
  readonly at: readonly [number, number]
}

export const CONTINENTS: Readonly<Record<Continent, Place>> = {
  AF: { name: 'Africa', at: [20, 3] },
  AN: { name: 'Antarctica', at: [0, -82] },
  AS: { name: 'Asia', at: [95, 42] },
  EU: { name: 'Europe', at: [15, 50] },
  NA: { name: 'North America', at: [-100, 42] },
  OC: { name: 'Oceania', at: [135, -25] },
  SA: { name: 'South America', at: [-60, -14] },
}
