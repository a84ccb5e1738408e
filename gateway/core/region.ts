// Where a request comes from, as far as anybody needs it: the continent that Cloudflare names. On a machine of one's own nobody says it, and nothing is made
// up; what is not one of the seven is not known either.
import { Continent } from '../../protocol/routing.ts'

/** @example regionOf(request) // 'EU'; null: not known */
export const regionOf = (request: Request): Continent | null => Continent.safeParse(request.cf?.continent).data ?? null
