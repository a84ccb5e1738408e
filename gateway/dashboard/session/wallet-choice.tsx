// The wallets there are here, one button each, and a way for who has none. Whoever shows it says what a chosen wallet is for.
import { Alert, Anchor, Button, Divider, Image, List, Stack, Text } from '@mantine/core'
import { IconFingerprint, IconWallet } from '@tabler/icons-react'
import { useEffect, useState } from 'react'
import { messageOf } from '../data/message-of.ts'
import { shortAddress } from '../ui/short.ts'
import { useWallets } from './browser-wallets.ts'
import { browserSigner } from './browser-signer.ts'
import { sealedKeys } from './passkey-seal.ts'
import { createPasskeyWallet, passkeySigner, whyNoPasskey } from './passkey-wallet.ts'
import type { Signer } from './signer.ts'

interface Choice {
  /** such as `Sign in` */
  readonly verb: string
  /** what is done with the wallet that was chosen; what it throws is told here */
  readonly onChosen: (signer: Signer) => Promise<void>
  /** whether who has no wallet may make one here */
  readonly mayCreate?: boolean
}

export function WalletChoice({ verb, onChosen, mayCreate = true }: Choice) {
  const wallets = useWallets()
  const [passkeys, setPasskeys] = useState(sealedKeys)
  const [busy, setBusy] = useState<string | null>(null)
  const [failed, setFailed] = useState<string | null>(null)

  const choose = async (id: string, signerOf: () => Promise<Signer>) => {
    setBusy(id)
    setFailed(null)
    try {
      await onChosen(await signerOf())
    } catch (error) {
      setFailed(messageOf(error))
    } finally {
      setBusy(null)
      setPasskeys(sealedKeys())
    }
  }
  const button = (id: string, run: () => Promise<Signer>) => ({
    loading: busy === id,
    disabled: busy !== null && busy !== id,
    onClick: () => void choose(id, run),
    styles: {
      label: { whiteSpace: 'normal' as const, overflowWrap: 'anywhere' as const },
      root: { height: 'auto', minHeight: 36 },
    },
  })

  return (
    <Stack>
      {wallets.map((wallet) => (
        <Button
          key={wallet.uuid}
          leftSection={<Icon icon={wallet.icon} />}
          aria-label={`${verb} with ${wallet.name}`}
          {...button(wallet.uuid, () => browserSigner(wallet))}
        >
          <span>
            {verb} with <bdi>{wallet.name}</bdi>
          </span>
        </Button>
      ))}
      {passkeys.map((key) => (
        <Button
          key={key.address}
          variant={wallets.length > 0 ? 'default' : 'filled'}
          leftSection={<IconFingerprint size={20} aria-hidden />}
          {...button(key.address, async () => passkeySigner(key))}
        >
          {verb} with the passkey wallet {shortAddress(key.address)}
        </Button>
      ))}
      {wallets.length === 0 && passkeys.length === 0 && (
        <Text size="sm">
          No wallet was found in this browser. If you have one as an extension, unlock it and reload this page.
        </Text>
      )}
      {failed !== null && (
        <Alert color="red" role="alert" title="Not done">
          {failed}
        </Alert>
      )}
      {mayCreate && passkeys.length === 0 && (
        <CreateWallet verb={verb} {...button('create', async () => passkeySigner(await createPasskeyWallet()))} />
      )}
    </Stack>
  )
}

/** The wallet's own, if it is an image at all. */
function Icon({ icon }: { icon: string | null }) {
  const [isBroken, setIsBroken] = useState(false)
  if (icon === null || isBroken) return <IconWallet size={20} aria-hidden />
  return <Image src={icon} alt="" w={20} h={20} onError={() => setIsBroken(true)} />
}

interface ButtonState {
  readonly loading: boolean
  readonly disabled: boolean
  readonly onClick: () => void
}

/** What a passkey wallet is, and what becomes of it, before it is made. */
function CreateWallet({ verb, ...state }: ButtonState & { verb: string }) {
  const [isOpen, setIsOpen] = useState(false)
  const [whyNot, setWhyNot] = useState<string | null | undefined>(undefined)
  useEffect(() => {
    if (isOpen) void whyNoPasskey().then(setWhyNot)
  }, [isOpen])
  if (!isOpen)
    return (
      <>
        <Divider />
        <Anchor component="button" type="button" size="sm" ta="left" onClick={() => setIsOpen(true)}>
          I have no wallet
        </Anchor>
      </>
    )
  return (
    <Stack gap="xs">
      <Divider label="A wallet in this browser" />
      <List size="sm" spacing={4}>
        <List.Item>A key is made here and sealed with a passkey: your fingerprint, face or PIN opens it.</List.Item>
        <List.Item>Neither Souk nor anybody else has a copy. Nobody can give it back to you.</List.Item>
        <List.Item>
          If you lose this device, or clear this browser’s data, the wallet is gone with all it holds, unless you have
          exported its key. Do that in Settings, or add a second wallet to your account there.
        </List.Item>
      </List>
      {typeof whyNot === 'string' && <Alert color="gray">{whyNot}</Alert>}
      {whyNot === null && (
        <Button variant="default" leftSection={<IconFingerprint size={20} aria-hidden />} {...state}>
          Make a passkey wallet and {verb.toLowerCase()}
        </Button>
      )}
    </Stack>
  )
}
