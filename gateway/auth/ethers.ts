// Stand-in for ethers, see wrangler.toml [alias]; written with the auth room.
export {}
