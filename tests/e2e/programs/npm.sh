#!/bin/bash
# npm install of a small package and of one of our own into the mount; npm run, npx
# packages: nodejs
# differs: *package-lock.json *.package-lock.json
command -v npm >/dev/null && npm config set update-notifier false && npm view is-odd version >/dev/null 2>&1 || { echo "npm with a registry"; exit 77; }
mkdir own app && cd own && printf '{"name":"own","version":"1.0.0","bin":{"owntool":"t.js"},"main":"i.js"}' >package.json && printf '#!/usr/bin/env node\nconsole.log("own tool", require("./i.js"))' >t.js && echo 'module.exports = 7' >i.js && npm pack --silent
cd ../app && printf '{"name":"app","version":"1.0.0","scripts":{"hi":"owntool && node -p \\"require(\\x27is-odd\\x27)(3)\\""}}' | sed 's/\\x27/'"'"'/g' >package.json
npm install --silent --no-audit --no-fund ../own/own-1.0.0.tgz is-odd@3.0.1 && ls node_modules node_modules/.bin && npm run --silent hi && npx --no-install owntool && npm ls --depth=0 | tail -n 3; npm uninstall --silent --no-audit --no-fund is-odd && ls node_modules
