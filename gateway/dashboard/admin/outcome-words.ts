// What came of an admin's act, in words: done, refused, or not known. A failure of the gateway says little: it may have come behind the act.
import type { AdminAct } from '../../../protocol/admin-acts.ts'

/** @example { status: 409, code: 'changed_meanwhile' } // 'refused (409 changed_meanwhile)' */
export function outcomeWords({ status, code }: Pick<AdminAct, 'status' | 'code'>): string {
  if (status === null) return 'not known: nobody came back to say it'
  const answer = `(${code === null ? status : `${status} ${code}`})`
  if (status < 400) return `done ${answer}`
  return status < 500 ? `refused ${answer}` : `not known: the gateway failed ${answer}`
}
