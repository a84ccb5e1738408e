// A statement with its signature: read from the gateway, and checked as anybody can.
import { jcs } from '../../../protocol/canonical.ts'
import type { Jwks } from '../../../protocol/journal-export.ts'
import { openKeys } from '../../../protocol/journal-proofs.ts'
import { claimsOf, STATEMENT_TYP, StatementClaims, type SignedStatement } from '../../../protocol/statement.ts'
import { verifyClaims } from '../../../protocol/ticket.ts'

/** Whether one of these keys signed exactly this text. */
export async function isSignedBy({ statement, signature }: SignedStatement, jwks: Jwks): Promise<boolean> {
  const keys = await openKeys([jwks])
  const signed = await verifyClaims(signature, STATEMENT_TYP, StatementClaims, keys.gateway)
  return signed.ok && jcs(signed.value) === jcs(claimsOf(statement))
}
