// Leaving an account, which takes effect at once for who is no owner: this browser is nobody's then, stands on the page for everybody, and says so. Without it
// the next thing asked for would be refused, and the page would speak of a session that ended by itself.
import type { MembersReply, MemberView } from '../../../../protocol/members.ts'
import { forgetKey } from '../../playground/key-store.ts'
import { forgetWallet } from '../../session/kept-wallet.ts'
import { endSession } from '../../session/session.ts'
import { isSameAddress } from '../../session/signer.ts'
import { tell } from '../../ui/notice.ts'
import { shortAddress } from '../../ui/short.ts'

interface Leaving {
  readonly accountId: string
  /** the wallet that leaves: the session's own */
  readonly address: string
  /** asks for it; an owner is still a member after it, for two days */
  readonly ask: () => Promise<MembersReply>
  /** to the page for everybody */
  readonly go: () => Promise<void>
}

export async function leaveAccount({ accountId, address, ask, go }: Leaving): Promise<MembersReply> {
  const members = await endSession(async () => {
    const after = await ask()
    if (isMemberOf(after.data, address)) return after
    forgetWallet()
    forgetKey()
    await go()
    return after
  })
  if (!isMemberOf(members.data, address))
    tell({
      title: 'You have left the account',
      message: `${shortAddress(address)} is no member of ${accountId} any more, and you are signed out. This is the page for everybody. Signing in opens an account of your own; a new invitation brings you back.`,
      isKept: true,
    })
  return members
}

export const isMemberOf = (members: readonly MemberView[], address: string): boolean =>
  members.some((member) => isSameAddress(member.address, address))
