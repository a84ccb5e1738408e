// The way in: a wallet signs. Whoever came from a page goes back there.
import { Alert, Button, Card, Group, Text } from '@mantine/core'
import { useRouter, useSearch } from '@tanstack/react-router'
import { comeBackTo } from '../session/come-back.ts'
import { useAccount } from '../session/session.ts'
import { SignInPanel } from '../session/sign-in-panel.tsx'
import { shortAddress } from '../ui/short.ts'
import { Page } from '../ui/state.tsx'

export function SignInPage() {
  const { from } = useSearch({ from: '/sign-in' })
  const { history } = useRouter()
  const account = useAccount()
  const goOn = () => history.push(comeBackTo(from))
  return (
    <Page title="Sign in" intro="Your wallet is your account: no password, no e-mail.">
      {account && (
        <Alert color="blue" variant="outline" title="You are signed in">
          <Text size="sm">
            As {shortAddress(account.me?.address ?? account.accountId)}. Sign in below to change to another account;
            what is open here then belongs to that one.
          </Text>
          <Group mt="xs">
            <Button size="xs" variant="default" onClick={goOn}>
              Go on as you are
            </Button>
          </Group>
        </Alert>
      )}
      <Card withBorder maw={480}>
        <SignInPanel onSignedIn={goOn} />
      </Card>
    </Page>
  )
}
