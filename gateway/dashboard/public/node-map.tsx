// Where the nodes are, as coarse as a continent: a drawing beside the table that says the same (status.tsx). Fetched when the page is opened; the coasts
// (Natural Earth, public domain) are a file of ours.
import { useQuery } from '@tanstack/react-query'
import { geoEqualEarth, geoPath } from 'd3-geo'
import { feature } from 'topojson-client'
import type { Topology } from 'topojson-specification'
import coasts from 'world-atlas/land-110m.json?url'
import type { StatusReply } from '../../../protocol/metering.ts'
import { CONTINENTS, type Place } from './continents.ts'
import classes from './public.module.css'

const WIDTH = 800
const HEIGHT = 390
const RADIUS = { min: 9, max: 26 }

const projection = geoEqualEarth().fitSize([WIDTH, HEIGHT], { type: 'Sphere' })
const path = geoPath(projection)
const sphere = path({ type: 'Sphere' }) ?? ''

export function NodeMap({ nodes }: { nodes: StatusReply['nodes'] }) {
  const land = useQuery({
    queryKey: ['public', 'coasts'],
    staleTime: Infinity,
    queryFn: async () => {
      // A file of ours, made by world-atlas.
      const topology = await (await fetch(coasts)).json<Topology>()
      const outline = topology.objects.land
      return outline === undefined ? '' : (path(feature(topology, outline)) ?? '')
    },
  })
  const placed = nodes.flatMap((row) => (row.region === null ? [] : [{ ...row, place: CONTINENTS[row.region] }]))
  const most = Math.max(1, ...placed.map(({ active }) => active))
  return (
    <svg
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      className={classes.map}
      role="img"
      aria-label={`Map of the world: ${placed.map(({ place, active }) => `${place.name} ${active}`).join(', ') || 'no node'}`}
    >
      <path d={sphere} className={classes.sea} />
      {land.data !== undefined && <path d={land.data} className={classes.land} />}
      {placed
        .filter(({ active }) => active > 0)
        .map(({ region, active, place }) => (
          <Dot key={region} place={place} active={active} share={active / most} />
        ))}
    </svg>
  )
}

/** The area grows with the number. */
function Dot({ place, active, share }: { place: Place; active: number; share: number }) {
  const at = projection([...place.at])
  if (at === null) return null
  const radius = RADIUS.min + (RADIUS.max - RADIUS.min) * Math.sqrt(share)
  return (
    <g transform={`translate(${at[0]} ${at[1]})`}>
      <circle r={radius} className={classes.dot} />
      <text className={classes.count} dy="0.35em">
        {active}
      </text>
    </g>
  )
}
