// SPDX ids that models come with, so that a slip of the pen is seen before it is signed. Not the whole list: an id that is not here is warned of and
// taken, because the list of spdx.org/licenses grows every few months.
import { licencesOf } from '../../protocol/spdx.ts'
import { nearest } from '../nearest.ts'

const KNOWN = (
  '0BSD AFL-3.0 AGPL-3.0-only AGPL-3.0-or-later Apache-1.1 Apache-2.0 Artistic-2.0 BSD-2-Clause BSD-3-Clause BSD-3-Clause-Clear BSL-1.0 BUSL-1.1 ' +
  'CC-BY-3.0 CC-BY-4.0 CC-BY-NC-2.0 CC-BY-NC-3.0 CC-BY-NC-4.0 CC-BY-NC-ND-4.0 CC-BY-NC-SA-2.0 CC-BY-NC-SA-3.0 CC-BY-NC-SA-4.0 CC-BY-ND-4.0 ' +
  'CC-BY-SA-3.0 CC-BY-SA-4.0 CC-PDDC CC0-1.0 CDLA-Permissive-1.0 CDLA-Permissive-2.0 CDLA-Sharing-1.0 ECL-2.0 EPL-1.0 EPL-2.0 EUPL-1.1 EUPL-1.2 ' +
  'GFDL-1.3-only GFDL-1.3-or-later GPL-2.0-only GPL-2.0-or-later GPL-3.0-only GPL-3.0-or-later ISC LGPL-2.1-only LGPL-2.1-or-later ' +
  'LGPL-3.0-only LGPL-3.0-or-later LPPL-1.3c MIT MIT-0 MPL-2.0 MS-PL NCSA ODbL-1.0 ODC-By-1.0 OFL-1.1 OSL-3.0 PDDL-1.0 PostgreSQL ' +
  'Python-2.0 Unlicense UPL-1.0 WTFPL Zlib'
).split(' ')

const letters = (id: string): string => id.toLowerCase().replaceAll(/[^a-z0-9]/g, '')

/** A warning per id that this program does not know; null when the text is no expression at all. @example licenceWarnings('Apache2') // ['Apache2 …, did you mean Apache-2.0?'] */
export function licenceWarnings(expression: string): string[] | null {
  const licences = licencesOf(expression)
  if (licences === null) return null
  return licences.flatMap((id) => {
    if (KNOWN.includes(id) || id.startsWith('LicenseRef-') || id.startsWith('DocumentRef-')) return []
    const near = KNOWN.find((known) => letters(known).startsWith(letters(id))) ?? nearest(id, KNOWN)
    const hint = near === null ? 'a licence of your own is written LicenseRef-NAME' : `did you mean ${near}?`
    return [`${id} is no SPDX licence that this program knows: ${hint}`]
  })
}
