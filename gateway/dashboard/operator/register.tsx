// The page that `souk-node register --browser` opens: what the wallet is about to sign and what is sent with it, shown as text before anything is asked; then
// the wallet, and what came of it. The link's contents never leave the browser before the wallet has signed.
import { Alert, Card, Code, Stack, Text, Title } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { useLocation } from '@tanstack/react-router'
import { lazy, Suspense, useState } from 'react'
import type { NodeView } from '../../../protocol/node.ts'
import { useAccount } from '../session/session.ts'
import type { Signer } from '../session/signer.ts'
import { TextLink } from '../ui/links.tsx'
import { Empty, Loading, Page } from '../ui/state.tsx'
import { Commands } from './commands.tsx'
import { isOwnWallet, register } from './registration.ts'
import { EXPIRED, isExpired, readLink, type UnsignedRegistration } from './registration-link.ts'
import { RegistrationShown } from './registration-shown.tsx'

const WalletChoice = lazy(async () => ({ default: (await import('../session/wallet-choice.tsx')).WalletChoice }))

const INTRO =
  'Your wallet authorises the two keys of a node of yours. Signing costs nothing, moves no money and gives no permission over your tokens.'

export function RegisterPage() {
  const hash = useLocation({ select: ({ hash: text }) => text })
  return (
    <Page title="Register a node" intro={INTRO}>
      {hash === '' ? <NoLink /> : <Registration key={hash} hash={hash} />}
    </Page>
  )
}

function Registration({ hash }: { hash: string }) {
  const [link] = useState(() => readLink(hash))
  // Asked once: a page that stays open says so when the wallet is asked.
  const [wasExpired] = useState(() => 'request' in link && isExpired(link.request, Date.now()))
  if ('wrong' in link) return <Unusable>{link.wrong}</Unusable>
  return (
    <>
      {/* An expired request is still shown. */}
      {wasExpired ? <Unusable>{EXPIRED}</Unusable> : <Signing request={link.request} />}
      <RegistrationShown request={link.request} />
    </>
  )
}

function Unusable({ children }: { children: string }) {
  return (
    <Alert color="red" role="alert" title="This link cannot be used">
      {children}
    </Alert>
  )
}

function Signing({ request }: { request: UnsignedRegistration }) {
  const account = useAccount()
  const client = useQueryClient()
  const [step, setStep] = useState<string | null>(null)
  const [node, setNode] = useState<NodeView | null>(null)
  if (node) return <Registered node={node} />
  const isIn = isOwnWallet(account, request.operator)
  const sign = async (signer: Signer) => {
    try {
      setNode(await register(signer, request, account, setStep))
      // Whoever registers is an operator from now on, and has one node more.
      await client.invalidateQueries()
    } finally {
      setStep(null)
    }
  }
  return (
    <Card withBorder>
      <Stack>
        <Text>
          {isIn
            ? 'Your wallet is asked once: to authorise the two keys below.'
            : 'Your wallet is asked twice: to sign in, and to authorise the two keys below.'}{' '}
          {account && !isIn && 'You are signed in with another account; signing in with this wallet changes that.'}
        </Text>
        <Suspense fallback={<Loading rows={1} />}>
          <WalletChoice verb="Sign" onChosen={sign} mayCreate={false} />
        </Suspense>
        {step !== null && (
          <Alert variant="default" role="status">
            {step}
          </Alert>
        )}
      </Stack>
    </Card>
  )
}

function Registered({ node }: { node: NodeView }) {
  return (
    <Alert color="teal" variant="outline" role="status" title={`Registered: ${node.name}`}>
      <Stack gap="xs" align="flex-start">
        <Text size="sm">
          It is <Code>{node.id}</Code>, {node.state}
          {node.reason === null ? '' : ` (${node.reason})`}. Your terminal goes on by itself.
        </Text>
        <TextLink to="/nodes/$nodeId" params={{ nodeId: node.id }}>
          See the node
        </TextLink>
      </Stack>
    </Alert>
  )
}

function NoLink() {
  return (
    <Card withBorder>
      <Empty title="This page is opened by a link">
        <Text>
          The program on the machine of the node prints it. Copy the whole of it, with the part behind the #: the keys
          stand there, and this gateway does not see them before your wallet has signed.
        </Text>
        <Title order={2} size="h4">
          On that machine
        </Title>
        <Commands
          commands={[
            { line: `souk-node init --gateway ${window.location.origin}`, why: 'Once, to make the keys:' },
            { line: 'souk-node register --browser --operator 0xYOUR_WALLET', why: 'To get the link:' },
          ]}
        />
      </Empty>
    </Card>
  )
}
